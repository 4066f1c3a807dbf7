"""Boxes are checked, and become weights on a grid."""

import numpy as np
import pytest

from transforms.subject.boxes import MAX_BOXES, boxes_in, coverage, parse_boxes


def test_boxes_are_read_from_the_meta_of_a_sample():
    assert boxes_in({}) == boxes_in({"boxes": None}) == boxes_in({"boxes": []}) == ()
    assert boxes_in({"boxes": [[1, 2.5, 3, 4]]}) == ((1.0, 2.5, 3.0, 4.0),)


@pytest.mark.parametrize(
    ("value", "words"),
    [
        ("a box", "give a list of"),
        ([1, 2, 3, 4], "1' is no box"),
        ([[1, 2, 3]], "is no box: give [x, y, width, height], pixels"),
        ([[1, 2, -3, 4]], "is no box"),
        ([[1, 2, True, 4]], "is no box"),
        ([[1, 2, float("nan"), 4]], "is no box"),
        ([[1, 2, 1e300, 4]], "is no box"),
        ([[0, 0, 1, 1]] * (MAX_BOXES + 1), "1001 boxes: at most 1000"),
    ],
)
def test_what_is_no_box_is_named(value, words):
    with pytest.raises(ValueError) as error:  # noqa: PT011 - the words follow
        parse_boxes(value)
    assert words in str(error.value)


def test_the_weights_are_the_covered_areas_of_a_union():
    weights = coverage([(160.0, 0.0, 160.0, 120.0), (200.0, 0.0, 50.0, 60.0)], (240, 320))
    assert weights[:32, 32:].min() == weights.max() == 4096.0
    assert not weights[32:].any()
    assert not weights[:, :32].any()


def test_a_box_smaller_than_a_cell_counts_and_one_outside_does_not():
    assert coverage([(100.0, 100.0, 0.5, 0.5)], (640, 640)).sum() > 0
    assert coverage([(700.0, 0.0, 10.0, 10.0), (5.0, 5.0, 0.0, 9.0)], (640, 640)) is None
    assert np.array_equal(
        coverage([(-50.0, -50.0, 100.0, 100.0)], (640, 640)), coverage([(0.0, 0.0, 50.0, 50.0)], (640, 640))
    )
