"""Draws of crop, mirror and colours: their ranges, and what leaves a clip alone."""

import numpy as np
import pytest

from schemas.errors import ConfigError
from trainer.data.augment.draw import MIRRORED, UNCHANGED, AugmentConfig, draw_changes
from trainer.data.config import DataConfig


def rows(seeds=300, **fields) -> np.ndarray:
    return np.stack([draw_changes(AugmentConfig(**fields), seed) for seed in range(seeds)])


def test_the_defaults_change_nothing():
    assert not AugmentConfig().changes
    assert (rows() == np.array(UNCHANGED, np.float32)).all()


def test_crops_have_their_area_and_stay_inside():
    left, top, width, height = rows(crop=0.4)[:, :4].T
    assert (width * height).min() >= 0.4 - 1e-5
    assert (width * height).max() > 0.9
    assert np.minimum(left, top).min() >= 0
    assert np.maximum(left + width, top + height).max() <= 1 + 1e-6
    assert (width / height).min() < 0.85
    assert (width / height).max() > 1.2


def test_flips_come_with_their_probability_and_never_where_they_may_not():
    assert rows(flip=0.3)[:, MIRRORED].mean() == pytest.approx(0.3, abs=0.1)
    assert not draw_changes(AugmentConfig(flip=1.0), 0, may_mirror=False)[MIRRORED]


def test_colours_stay_in_their_range_and_do_not_depend_on_the_rest():
    colours = rows(colour=0.4)[:, 5:]
    assert 0.6 <= colours.min() < 0.65
    assert 1.35 < colours.max() <= 1.4
    assert np.array_equal(colours, rows(colour=0.4, crop=0.5, flip=0.5)[:, 5:])


def test_mistakes_are_one_line():
    with pytest.raises(ConfigError, match=r"augment.crop = 0 is not allowed: it must be >= 0.05 and <= 1"):
        DataConfig.make({"shards": "x", "augment": {"crop": 0}})
