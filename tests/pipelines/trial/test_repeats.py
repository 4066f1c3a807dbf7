"""Repeats among the tried inputs: the first is kept, and samples without a mark repeat nothing."""

from __future__ import annotations

from pipelines.curation.scored import Scored
from pipelines.curation.whole import ExactDuplicates, NearDuplicates, RepeatedCaptions
from pipelines.trial.repeats import Repeat, repeats


def samples(*marks: bytes | None) -> list[Scored]:
    return [Scored(f"k{row}", "a caption", (mark,)) for row, mark in enumerate(marks)]


def test_all_but_the_first_of_equal_marks_repeat_it():
    one, two = b"1" * 16, b"2" * 16
    found = repeats((ExactDuplicates(),), samples(one, two, None, one))
    assert found == [
        {"exact_duplicates": Repeat(2, None, 0)},
        {"exact_duplicates": Repeat(1, None, 1)},
        {},
        {"exact_duplicates": Repeat(2, "repeats k0, the first of 2", 0)},
    ]


def test_marks_that_differ_in_few_bits_are_one_group():
    near = [(0b0).to_bytes(8, "big"), (0b111).to_bytes(8, "big"), b"\xff" * 8]
    found = repeats((NearDuplicates(max_distance=3),), samples(*near))
    assert [of["near_duplicates"].refusal for of in found] == [None, "repeats k0, the first of 2", None]
    found = repeats((NearDuplicates(max_distance=2),), samples(*near))
    assert [of["near_duplicates"].count for of in found] == [1, 1, 1]


def test_captions_above_the_limit_are_dropped_everywhere():
    found = repeats((RepeatedCaptions(max=1),), samples(b"1" * 16, b"1" * 16))
    assert all("2 times in the input" in of["repeated_captions"].refusal for of in found)


def test_no_marks_are_no_repeats():
    for rule in (ExactDuplicates(), NearDuplicates(), RepeatedCaptions()):
        assert repeats((rule,), samples(None, None)) == [{}, {}]
