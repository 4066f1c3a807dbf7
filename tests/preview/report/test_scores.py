"""The histograms of scores in the report, read from the tables of an output."""

from __future__ import annotations

import json

import pyarrow as pa
import pyarrow.parquet as pq

from preview.report.scores import MOST_BARS, dropped_by_filter, score_histograms
from schemas.manifest import FAILURES_FILE, SAMPLES_FILE


def write(folder, name, **columns):
    pq.write_table(pa.table(columns), folder / name)


def test_histograms_hold_the_scores_of_clips_and_of_dropped_inputs(tmp_path):
    kept = [json.dumps({"share": number / 100, "sharpness": 10.0 * number}) for number in range(100)]
    write(tmp_path, SAMPLES_FILE, scores=[*kept, None])
    write(
        tmp_path,
        FAILURES_FILE,
        scores=['{"share":1.0}'],
        reason=["filtered"],
        detail=["share: 1, over max=1"],
    )
    share, sharpness = score_histograms(str(tmp_path))
    assert (share.name, sum(share.counts), sharpness.name, sum(sharpness.counts)) == (
        "share",
        101,
        "sharpness",
        100,
    )
    for histogram in (share, sharpness):
        assert len(histogram.edges) == len(histogram.counts) <= MOST_BARS + 1
        assert list(histogram.edges) == sorted(histogram.edges)
    below = sum(n for edge, n in zip(share.edges, share.counts, strict=True) if edge < 0.48)
    assert below == 48
    assert dropped_by_filter(str(tmp_path)) == {"share": 1}


def test_an_output_of_an_earlier_version_has_no_scores(tmp_path):
    write(tmp_path, SAMPLES_FILE, key=["a"])
    assert score_histograms(str(tmp_path)) == ()
    assert dropped_by_filter(str(tmp_path)) == {}


def test_one_value_is_one_bar_with_a_range(tmp_path):
    write(tmp_path, SAMPLES_FILE, scores=['{"words":7}', '{"words":7}'])
    (histogram,) = score_histograms(str(tmp_path))
    assert (histogram.edges, histogram.counts, histogram.whole) == ((7.0, 8.0), (2, 0), True)
