"""Numbers made ready for charts."""

import pytest

from preview.report.page import bars, columns_of_time, human_seconds, make_environment, thousands
from preview.report.summary import Histogram


def test_bars_drop_the_empty_ends():
    shown = bars(Histogram("zoom", (1, 1.5, 2, 3), (0, 4, 2, 0)))
    assert [(bar.label, bar.count, bar.percent) for bar in shown] == [("1.5 – 2", 4, 100), ("2 – 3", 2, 50)]
    assert bars(Histogram("zoom", (1, 2), (0, 3)))[0].label == "over 2"
    assert bars(Histogram("zoom", (1, 2), (0, 0))) == []
    words = Histogram("words", (1, 2, 5), (3, 1, 0), whole=True)
    assert [bar.label for bar in bars(words)] == ["1", "2 – 4"]
    assert bars(Histogram("sample_bytes", (0, 1536), (1, 1)))[1].label == "over 1.54 kB"


def test_columns_of_time_merge_neighbours():
    assert columns_of_time([1, 2, 3, 4], 2.0, 9) == [(0.0, 0.5), (2.0, 1.0), (4.0, 1.5), (6.0, 2.0)]
    assert columns_of_time([1, 2, 3, 4], 2.0, 2) == [(0.0, 0.75), (4.0, 1.75)]
    assert columns_of_time([], 1.0, 3) == columns_of_time([1], 0.0, 3) == []


@pytest.mark.parametrize(("value", "text"), [(1234567, "1,234,567"), (1.25, "1.2"), (3.0, "3")])
def test_thousands(value, text):
    assert thousands(value) == text


@pytest.mark.parametrize(("value", "text"), [(3.21, "3.2 s"), (75, "1 min 15 s"), (3725, "1 h 2 min")])
def test_seconds(value, text):
    assert human_seconds(value) == text


def test_templates_escape_every_value():
    template = make_environment().from_string("{{ value }}")
    assert template.render(value="<script>") == "&lt;script&gt;"
