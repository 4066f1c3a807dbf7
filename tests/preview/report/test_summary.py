"""An output folder in numbers."""

import pytest

from preview.report.measures import MEASURES
from preview.report.summary import summarise


def test_counts_are_those_of_the_tables(output):
    summary = summarise(output)
    assert (summary.shards, summary.samples, summary.failed) == (3, 12, 6)
    assert sum(summary.motions.values()) == 12
    assert summary.clip_sizes == {"4 frames of 64x48": 12}
    assert {histogram.name for histogram in summary.histograms} == set(MEASURES)
    assert all(sum(histogram.counts) == 12 for histogram in summary.histograms)
    assert [(failure.reason, failure.count) for failure in summary.failures] == [
        ("http_404", 5),
        ("corrupt", 1),
    ]


def test_a_folder_without_tables_is_an_error(tmp_path):
    with pytest.raises(FileNotFoundError):
        summarise(str(tmp_path))
