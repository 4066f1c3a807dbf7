from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from transforms.rendering import kornia as render_kornia
from transforms.rendering import opencv as render_opencv
from transforms.rendering.layers import footprints, kernel, missing_variance, plan_layers

FULL = np.array([[0.0, 0.0], [1.0, 0.0], [1.0, 1.0], [0.0, 1.0]])


def zoom(start, end, frames=12):
    sides = np.linspace(start, end, frames)[:, None, None]
    return (FULL - 0.5) * sides + 0.5


@given(st.floats(0, 40))
def test_a_kernel_has_the_variance_asked_for(variance):
    weights = np.array(kernel(variance))
    offsets = np.arange(len(weights)) - len(weights) // 2
    assert weights.sum() == 256
    assert (weights == weights[::-1]).all()
    assert weights.min() >= 0
    assert (weights * offsets**2).sum() / 256 == pytest.approx(variance, abs=0.02 + 0.15 * variance)


def test_variance_adds_up_to_the_box():
    """Halving once, blurring and sampling together have the variance of a box five pixels wide and the linear picture."""
    blur = missing_variance(np.array([5.0, 5.0]), 1)
    assert blur * 4 + 1 / 4 + 4 / 6 == pytest.approx(np.full(2, 25 / 12 + 1 / 6))


@pytest.mark.parametrize("scale", [0.2, 0.7, 1.0])
def test_no_blur_where_nothing_is_minified(scale):
    assert (missing_variance(np.array([scale, scale]), 0) == 0).all()


def test_footprints_of_a_turned_view_are_its_scale():
    angle = 0.7
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    quad = ((FULL - 0.5) * 0.5) @ turn.T + 0.5
    np.testing.assert_allclose(footprints(quad[None], (800, 800), (200, 200)), 2.0)


def test_footprints_know_the_axes_apart():
    np.testing.assert_allclose(footprints(FULL[None], (300, 800), (100, 200)), [[4.0, 3.0]])


def test_one_layer_for_a_pan_and_more_for_a_long_zoom():
    pan = zoom(0.5, 0.5) + np.linspace(-0.2, 0.2, 12)[:, None, None] * (1, 0)
    assert len(list(plan_layers(pan, (800, 800), (224, 224)))) == 1
    long = list(plan_layers(zoom(1.0, 0.15), (4000, 4000), (224, 224)))
    assert sorted(t for layer in long for t in layer.frames) == list(range(12))
    assert [layer.halvings for layer in long] == sorted(layer.halvings for layer in long)


@settings(max_examples=60, deadline=None)
@given(
    st.integers(1, 900),
    st.integers(1, 900),
    st.floats(0.05, 1.0),
    st.floats(0.05, 1.0),
    st.integers(1, 300),
    st.integers(0, 9),
)
def test_opencv_and_torch_make_the_same_layers(h, w, start, end, side, seed):
    image = np.random.default_rng(seed).integers(0, 256, (h, w, 3), dtype=np.uint8)
    for layer in plan_layers(zoom(start, end, 4), (h, w), (side, side)):
        ours = render_opencv.make_layer(image, layer)
        assert ours.shape == (*layer.shape, 3)
        theirs = render_kornia.make_layer(torch.from_numpy(image).permute(2, 0, 1), layer)
        np.testing.assert_array_equal(ours, theirs.permute(1, 2, 0).numpy())


def test_cutting_changes_nothing():
    """A layer cut to its view is the same part of the layer of the whole picture."""
    image = np.random.default_rng(0).integers(0, 256, (703, 901, 3), dtype=np.uint8)
    quads = zoom(0.8, 0.8, 1)
    (cut,) = plan_layers(quads, image.shape[:2], (80, 80))
    y0, y1, x0, x1 = cut.box
    everything = dataclasses.replace(cut, box=(0, -(-703 // 2**cut.halvings), 0, -(-901 // 2**cut.halvings)))
    whole = render_opencv.make_layer(image, everything)
    rim = len(cut.kernel_x) // 2
    inner = (slice(rim, -rim), slice(rim, -rim))
    np.testing.assert_array_equal(render_opencv.make_layer(image, cut)[inner], whole[y0:y1, x0:x1][inner])
