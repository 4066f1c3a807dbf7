from __future__ import annotations

import numpy as np
import pytest

from transforms.rendering.layers import footprints, missing_variance, plan_layers

FULL = np.array([[0.0, 0.0], [1.0, 0.0], [1.0, 1.0], [0.0, 1.0]])


def zoom(start, end, frames=12):
    sides = np.linspace(start, end, frames)[:, None, None]
    return (FULL - 0.5) * sides + 0.5


def test_variance_adds_up_to_the_box():
    """Halving once, blurring and sampling together have the variance of a box five pixels wide and the linear
    picture.
    """
    blur = missing_variance(5.0, 1)
    assert blur * 4 + 1 / 4 + 4 / 6 == pytest.approx(25 / 12 + 1 / 6)


@pytest.mark.parametrize("scale", [0.2, 0.7, 1.0])
def test_no_blur_where_nothing_is_minified(scale):
    assert missing_variance(scale, 0) == 0


def test_footprints_of_a_turned_view_are_its_scale():
    angle = 0.7
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    quad = ((FULL - 0.5) * 0.5) @ turn.T + 0.5
    np.testing.assert_allclose(footprints(quad[None], (800, 800), (200, 200)), 2.0)


def test_footprints_know_the_axes_apart():
    np.testing.assert_allclose(footprints(FULL[None], (300, 800), (100, 200)), [[4.0, 3.0]])


def test_one_layer_for_a_pan_and_more_for_a_long_zoom():
    pan = zoom(0.5, 0.5) + np.linspace(-0.2, 0.2, 12)[:, None, None] * (1, 0)
    assert len(plan_layers(pan, (800, 800), (224, 224))) == 1
    long = plan_layers(zoom(1.0, 0.15), (4000, 4000), (224, 224))
    assert sorted(t for layer in long for t in layer.frames) == list(range(12))
    assert [layer.halvings for layer in long] == sorted(layer.halvings for layer in long)


def test_views_at_the_pictures_own_scale_share_a_layer_and_are_not_blurred():
    (layer,) = plan_layers(zoom(1.0, 0.2), (100, 100), (100, 100))
    assert (layer.halvings, layer.kernel_x, layer.kernel_y) == (0, (256,), (256,))


def test_a_layer_holds_what_its_frames_see_and_no_more_than_the_picture():
    for layer in plan_layers(zoom(0.9, 0.1), (1000, 1400), (64, 64)):
        y0, y1, x0, x1 = layer.box
        assert 0 <= y0 < y1 <= -(-1000 // 2**layer.halvings)
        assert 0 <= x0 < x1 <= -(-1400 // 2**layer.halvings)
        corners = zoom(0.9, 0.1)[layer.frames] * (1400, 1000) / 2**layer.halvings
        assert x0 <= corners[..., 0].min()
        assert corners[..., 0].max() <= x1
