"""The page of `zoetrope filters`: bars in two parts, examples with their pictures, every text escaped."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest

from pipelines.curation.config import parse_filters
from pipelines.curation.scored import Scored
from pipelines.trial.result import sum_up
from preview.report.filters_page import cuts_in_words, sparkline, stacked, write_page

BAD = "<script>alert(1)</script>"


@pytest.fixture
def trial():
    samples = []
    for row, blur in enumerate((10, 20, 55, 60, 200, 210)):
        refusals = {"picture_blur": f"{blur}, under min=50"} if blur < 50 else {}
        scores = {"picture_blur": float(blur)}
        samples.append(Scored(f"k{row}", BAD, (), scores, refusals, thumbnail=b"jpeg%d" % row))
    return sum_up(parse_filters(["picture_blur"]), samples, [])


def test_the_parts_of_the_bars_add_up(trial):
    (blur,) = trial.filters
    rows = stacked(blur)
    assert (sum(bar.kept for bar in rows), sum(bar.dropped for bar in rows)) == (4, 2)
    assert [bar.kept for bar in rows if bar.dropped] == [0, 0]
    assert max(bar.kept_percent + bar.dropped_percent for bar in rows) == 100
    assert len(sparkline(blur)) == len(rows)
    assert "█" in sparkline(blur)


def test_the_page_needs_nothing_else_and_escapes_texts(trial, tmp_path):
    write_page(str(tmp_path / "page.html"), trial, source="pictures/")
    page = (tmp_path / "page.html").read_text()
    assert BAD not in page
    assert page.count("data:image/jpeg;base64,") == 6
    assert not re.search(r"(src|href)=\"(?!data:|#)", page)
    assert "- name: picture_blur\n    min: 50.0" in page or "- name: picture_blur\n  min: 50.0" in page


def test_other_thresholds_say_what_they_drop_unless_there_is_none(trial):
    assert cuts_in_words(trial.filters[0]) == "min 20 drops 16.7\u00a0%; min 29 drops 33.3\u00a0%"
    same = [Scored(f"k{n}", "a", (), {"picture_blur": 60.0}) for n in range(9)]
    assert cuts_in_words(sum_up(parse_filters(["picture_blur"]), same, []).filters[0]) == ""


def test_whole_numbers_have_whole_bars_and_whole_thresholds():
    counts = [1] * 30 + [2] * 50 + [3] * 15 + [9] * 5
    samples = [Scored(f"k{n}", "a", (), {"caption_words": float(count)}) for n, count in enumerate(counts)]
    (words,) = sum_up(parse_filters([{"name": "caption_words", "min": 2}]), samples, []).filters
    assert [bar.label for bar in stacked(words)] == ["1", "2", "3", "4", "5", "6", "7", "8", "9"]
    assert cuts_in_words(words) == "min 2 drops 30.0\u00a0%"
    most = replace(words, low=None, high=5.0)
    assert cuts_in_words(most) == "max 3 drops 5.0\u00a0%; max 2 drops 20.0\u00a0%"


def test_a_filter_without_scores_has_no_bars():
    samples = [Scored("k", "words", (), {}, {"mine:f": "no"})]
    trial = sum_up(parse_filters(["schemas.text:one_line"]), samples, [])
    assert stacked(trial.filters[0]) == []
    assert sparkline(trial.filters[0]) == ""
