"""The tightest view of a mix bounds the views over pictures of every shape."""

import numpy as np
import pytest

from transforms.motions.mix import MotionMix, draw
from transforms.motions.tightest import centred_view, tightest_share
from transforms.rendering.layers import footprints

SHAPE = {"frames": 6, "size": (48, 64), "fps": 8.0}
MIX = MotionMix.make([{"name": "zoom_in", "zoom": [1.0, 2.0]}, "rotate_cw+pan_left", "tilt"])


def test_a_fixed_zoom_has_its_own_share():
    assert tightest_share(MotionMix.make([{"name": "zoom_in", "zoom": 2.0}]), **SHAPE) == pytest.approx(0.5)
    assert tightest_share(MotionMix.make(["static"]), **SHAPE) == pytest.approx(1.0)


@pytest.mark.parametrize("image_size", [(300, 400), (400, 300), (200, 900), (384, 512)])
def test_no_path_over_a_picture_of_any_shape_is_tighter(image_size):
    view = centred_view(tightest_share(MIX, **SHAPE), image_size=image_size, size=SHAPE["size"])
    finest = footprints(view.astype(float), image_size, SHAPE["size"]).min()
    for seed in range(5000, 5150):
        path = draw(MIX, seed=seed, image_size=image_size, **SHAPE).quads_T42.astype(float)
        assert footprints(path, image_size, SHAPE["size"]).min() > 0.97 * finest


def test_the_view_is_in_the_middle_and_inside():
    view = centred_view(1.0, image_size=(300, 400), size=(100, 100))
    assert view.dtype == np.float32
    assert view.tolist() == [[[0.125, 0.0], [0.875, 0.0], [0.875, 1.0], [0.125, 1.0]]]
