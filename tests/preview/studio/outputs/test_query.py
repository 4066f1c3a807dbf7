import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from preview.report.measures import MEASURES
from preview.report.summary import summarise
from preview.studio.outputs import query as asked
from preview.studio.outputs.query import Query, find_rows
from preview.studio.outputs.view import OutputView
from schemas.errors import ConfigError


def keys(output, **values):
    view = OutputView(output)
    return [row["key"] for row in view.page(Query.read(values), 0, 100)["rows"]]


def test_each_bar_of_a_histogram_filters_the_clips_that_it_counts(output):
    for histogram in summarise(output).histograms:
        edges = histogram.edges
        for i, counted in enumerate(histogram.counts):
            low = "" if i == 0 else edges[i]
            high = "" if i + 1 == len(edges) else edges[i + 1]
            found = find_rows(output, Query.read({histogram.name: f"{low}:{high}"}), 12)
            assert len(found) == counted, (histogram.name, low, high)


def test_a_range_holds_its_lower_end_and_not_its_upper_one(output):
    counts = {bounds: len(keys(output, zoom=bounds)) for bounds in ("1:", ":1", "1:1", "1:1.05")}
    assert counts == {"1:": 12, ":1": 0, "1:1": 0, "1:1.05": 3}


def test_the_order_is_by_a_measure_up_and_down_and_ties_keep_the_order_of_the_table(output):
    assert keys(output, sort="zoom")[:4] == ["0000000", "0000005", "0000010", "0000001"]
    assert keys(output, sort="-zoom")[:4] == ["0000004", "0000009", "0000003", "0000008"]
    assert keys(output, sort="-caption_length", motion="pan_left")[0] == "0000010"


def test_a_random_order_is_the_same_each_time_and_holds_every_clip(output):
    first = keys(output, sort="random")
    assert first == keys(output, sort="random")
    assert first not in (sorted(first), sorted(first, reverse=True))
    assert sorted(first) == keys(output)


def test_unknown_values_match_no_range_and_come_last(output):
    table = pq.read_table(f"{output}/samples.parquet")
    zooms = [None, *table["zoom"].to_pylist()[1:]]
    table = table.set_column(table.schema.get_field_index("zoom"), "zoom", pa.array(zooms, pa.float32()))
    pq.write_table(table, f"{output}/samples.parquet")
    assert keys(output, sort="zoom")[-1] == keys(output, sort="-zoom")[-1] == "0000000"
    assert "0000000" not in keys(output, zoom=":9")


def test_a_motion_after_an_equals_sign_is_the_whole_name(output):
    assert len(keys(output, motion="zoom_in")) == 8
    assert len(keys(output, motion="=zoom_in")) == 4


def test_too_many_rows_are_not_sorted(output, monkeypatch):
    monkeypatch.setattr(asked, "SORTED_MOST", 5)
    with pytest.raises(ConfigError, match="12 clips match; narrow them down to 5"):
        find_rows(output, Query(sort="zoom"), 12)
    assert len(find_rows(output, Query(sort="zoom", motion="=zoom_in"), 12)) == 4


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"sort": "key"}, "sort = 'key': it must be one of random, zoom"),
        ({"sort": "--zoom"}, "sort"),
        ({"zoom": "1"}, "zoom = '1': write LOW:HIGH"),
        ({"zoom": "nan:inf"}, "zoom"),
        ({"zoom": "1:2:3"}, "zoom"),
        ({"aspect": "9" * 400 + ":"}, "aspect"),
    ],
)
def test_a_query_that_cannot_be_is_one_line(values, words):
    with pytest.raises(ConfigError, match=words):
        Query.read(values)


def test_rows_are_given_by_position_and_keys_by_query(output):
    view = OutputView(output)
    assert [row["key"] for row in view.rows_at(np.array([7, 2, 99, -1]))] == ["0000007", "0000002"]
    assert view.keys(Query(motion="=pan_left")) == {
        "keys": ["0000001", "0000004", "0000007", "0000010"],
        "positions": [1, 4, 7, 10],
    }


def test_every_measure_has_a_title(output):
    titles = [one["name"] for one in OutputView(output).overview()["histograms"]]
    assert titles == list(MEASURES)
