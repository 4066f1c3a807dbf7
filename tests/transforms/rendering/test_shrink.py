from __future__ import annotations

import cv2
import numpy as np
import pytest
import skimage.data

from transforms.rendering.render import render
from transforms.rendering.shrink import reduce_for

SIZE = (96, 96)


def zoom(start, end, frames=4):
    square = np.array([[-0.5, -0.5], [0.5, -0.5], [0.5, 0.5], [-0.5, 0.5]])
    return (square * np.linspace(start, end, frames)[:, None, None] + 0.5).astype(np.float32)


@pytest.fixture(scope="module")
def large():
    return cv2.resize(skimage.data.astronaut(), (1000, 1000), interpolation=cv2.INTER_LANCZOS4)


def test_leaves_a_quarter_more_than_the_tightest_view_shows(large):
    reduced = reduce_for(large, zoom(1.0, 0.6), size=SIZE)
    assert reduced.shape == (200, 200, 3)
    assert reduced.dtype == np.uint8


def test_the_aspect_is_kept_and_the_finer_axis_decides():
    wide = np.zeros((600, 1000, 3), np.uint8)
    assert reduce_for(wide, zoom(1.0, 1.0), size=SIZE).shape == (120, 200, 3)


def test_twice_is_once(large):
    reduced = reduce_for(large, zoom(1.0, 0.6), size=SIZE)
    assert reduce_for(reduced, zoom(1.0, 0.6), size=SIZE) is reduced


def test_never_enlarges(large):
    assert reduce_for(large, zoom(0.1, 0.05), size=SIZE) is large


def test_frames_of_the_reduced_picture_are_those_of_the_picture(large):
    quads_T42 = zoom(1.0, 0.6)
    whole = render(large, quads_T42, size=SIZE).astype(float)
    reduced = render(reduce_for(large, quads_T42, size=SIZE), quads_T42, size=SIZE)
    errors = np.mean((whole - reduced) ** 2, axis=(1, 2, 3))
    assert (10 * np.log10(255**2 / errors)).min() > 34


def test_quads_that_cannot_be_used(large):
    with pytest.raises(ValueError, match="quads"):
        reduce_for(large, zoom(1.0, 1.2), size=SIZE)
