"""The picture that rules look at, and how a score is kept."""

from __future__ import annotations

import numpy as np

from transforms.curation.pictures import PictureBlur
from transforms.curation.rule import SIDE, Look, needed_size, rounded, shrunk


def test_large_pictures_are_shrunk_to_one_side_and_small_ones_stay():
    assert shrunk(np.zeros((2000, 1000, 3), np.uint8), SIDE).shape == (1024, 512, 3)
    small = np.zeros((30, 20, 3), np.uint8)
    assert shrunk(small, SIDE) is small
    assert needed_size((2000, 1000)) == (1024, 512)
    assert needed_size((30, 20)) == (30, 20)
    assert needed_size((1, 70_000)) == (1, 70_000)


def test_grey_copies_have_their_sides():
    look = Look(image_HWC=np.zeros((512, 600, 3), np.uint8))
    assert (look.grey.shape, look.small.shape) == ((512, 600), (256, 300))


def test_scores_have_six_digits():
    assert rounded(1234.56789) == 1234.57
    assert rounded(1 / 3) == 0.333333


def test_a_rule_is_written_as_it_is_read():
    rule = PictureBlur(min=75)
    assert rule.to_entry() == {"name": "picture_blur", "min": 75.0}
    assert str(rule) == "picture_blur (min 75)"
