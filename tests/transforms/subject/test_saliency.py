"""What differs from its surroundings is salient, and the map has the bits on record."""

import hashlib

import numpy as np
import pytest
from skimage import data

from transforms.subject.saliency import SIDE, saliency, small_grey


def grating(height=240, width=320):
    """A picture of even stripes with a disc of fine noise."""
    y, x = np.mgrid[:height, :width]
    grey = 128 + 60 * np.sin(x / 9)
    disc = (y - 0.3 * height) ** 2 + (x - 0.7 * width) ** 2 < (0.1 * width) ** 2
    grey[disc] = np.random.default_rng(0).uniform(0, 255, disc.sum())
    return np.repeat(grey[..., None], 3, 2).astype(np.uint8)


def test_what_differs_from_its_surroundings_is_salient():
    weights = saliency(grating())
    assert weights.shape == (SIDE, SIDE)
    assert np.array_equal(weights, np.rint(weights)), "whole numbers"
    rows, columns = np.mgrid[:SIDE, :SIDE] / SIDE
    around = (np.abs(rows - 0.3) < 0.2) & (np.abs(columns - 0.7) < 0.2)
    assert weights[around].sum() > 0.9 * weights.sum()


def test_the_map_of_a_photograph_has_the_bits_on_record():
    digest = hashlib.sha256(saliency(data.astronaut()).tobytes()).hexdigest()
    assert digest[:16] == "0a3900d291e363b8"


@pytest.mark.parametrize("shape", [(1, 1), (3, 200), (63, 64), (65, 1000)])
def test_pictures_of_any_shape_have_a_map_or_none(shape):
    picture = np.random.default_rng(3).integers(0, 256, (*shape, 3), dtype=np.uint8)
    weights = saliency(picture)
    assert weights is None or weights.any()
    assert small_grey(picture).shape == (SIDE, SIDE)


def test_a_picture_without_contrast_has_no_subject():
    assert saliency(np.full((100, 100, 3), 77, np.uint8)) is None
    assert small_grey(np.full((100, 130, 3), 77, np.uint8)).tolist() == [[308.0] * SIDE] * SIDE
