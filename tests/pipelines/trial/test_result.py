"""What is counted for each filter, and which samples are shown around its threshold."""

from __future__ import annotations

import numpy as np

from pipelines.curation.config import parse_filters
from pipelines.curation.scored import Scored
from pipelines.trial.result import in_order, sum_up
from schemas.records import Failure, Reason, Stage

FILTERS = parse_filters(["picture_blur", "caption_words", "repeated_captions"])


def sample(key: str, blur: float, words: float, mark: bytes = b"") -> Scored:
    scores = {"picture_blur": blur, "caption_words": words}
    refusals = {}
    if blur < 50:
        refusals["picture_blur"] = f"{blur:g}, under min=50"
    if words < 3:
        refusals["caption_words"] = f"{words:g}, under min=3"
    return Scored(key, f"caption of {key}", (mark or key.encode().ljust(16),), scores, refusals)


def test_filters_are_called_in_the_order_of_a_job():
    assert in_order(FILTERS) == ["repeated_captions", "caption_words", "picture_blur"]


def test_a_sample_counts_for_every_filter_that_drops_it_and_first_for_one():
    failed = Scored("x", "words", (None,), failure=Failure("x", Stage.DECODE, Reason.CORRUPT, "bad"))
    unread = Failure("y", Stage.CAPTION, Reason.MISSING_CAPTION, "no file")
    samples = [sample("a", 100, 5), sample("b", 10, 1), sample("c", 40, 9), failed]
    trial = sum_up(FILTERS, samples, [unread])
    blur, words, captions = trial.filters
    assert (trial.inputs, trial.kept, trial.dropped, trial.failed) == (5, 1, 2, 2)
    assert (blur.dropped, blur.first, blur.alone) == (2, 1, 1)
    assert (words.dropped, words.first, words.alone) == (1, 1, 0)
    assert captions.dropped == 0
    assert trial.failures == {"decode/corrupt": 1, "caption/missing_caption": 1}
    assert np.array_equal(blur.scores, [100, 10, 40])
    assert np.array_equal(blur.drops, [False, True, True])


def test_examples_are_nearest_to_the_threshold_first():
    samples = [sample(f"k{blur}", blur, 5) for blur in (0, 20, 45, 49, 51, 60, 500)]
    blur = sum_up(FILTERS, samples, []).filters[0]
    assert [example.score for example in blur.nearest_dropped] == [49, 45, 20, 0]
    assert [example.score for example in blur.nearest_kept] == [51, 60, 500]
    assert blur.nearest_dropped[0].refusal == "49, under min=50"


def test_one_caption_does_not_fill_all_examples():
    same = [Scored(f"s{row}", "the same", (None,), {"picture_blur": 51.0}) for row in range(9)]
    kept = sum_up(FILTERS, [*same, sample("other", 80, 5)], []).filters[0].nearest_kept
    assert [example.key for example in kept] == ["s0", "other", "s1", "s2"]


def test_a_repeat_is_shown_with_the_picture_that_it_repeats():
    filters = parse_filters(["exact_duplicates"])
    mark = (b"1" * 16,)
    samples = [Scored("a", "one", mark, thumbnail=b"A"), Scored("b", "two", mark, thumbnail=b"B")]
    (example,) = sum_up(filters, samples, []).filters[0].nearest_dropped
    assert (example.key, example.thumbnail, example.original) == ("b", b"B", b"A")


def test_cuts_are_thresholds_that_drop_so_many():
    blur, _, captions = sum_up(FILTERS, [sample(f"k{n}", 100 + n, 5) for n in range(101)], []).filters
    assert blur.cuts == {1: 101, 5: 105, 10: 110, 25: 125}
    assert captions.cuts == {1: 1, 5: 1, 10: 1, 25: 1}  # of `max`, so of the largest counts
    assert sum_up(parse_filters(["exact_duplicates"]), [], []).filters[0].cuts == {}
    (black,) = sum_up(
        parse_filters(["picture_black"]),
        [Scored(f"k{n}", "a", (), {"picture_black": n / 100}) for n in range(101)],
        [],
    ).filters
    assert black.cuts == {1: 0.99, 5: 0.95, 10: 0.9, 25: 0.75}
