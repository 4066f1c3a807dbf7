from __future__ import annotations

import dataclasses

import cv2
import numpy as np
import pytest

from transforms.rendering.layers import plan_layers
from transforms.rendering.opencv import halve, make_layer, prepare_worker, render_opencv, render_rgbx

FULL = np.array([[0.0, 0.0], [1.0, 0.0], [1.0, 1.0], [0.0, 1.0]])


def noise(*shape):
    return np.random.default_rng(0).integers(0, 256, (*shape, 3), dtype=np.uint8)


def test_rgbx_frames_are_the_rgb_frames_with_a_fourth_byte():
    quads = np.stack([FULL * 0.6, FULL * 0.6 + 0.3])
    frames_THW4 = render_rgbx(noise(90, 120), quads, (32, 40))
    assert frames_THW4.shape == (2, 32, 40, 4)
    np.testing.assert_array_equal(frames_THW4[..., :3], render_opencv(noise(90, 120), quads, (32, 40)))


def test_halving_rounds_a_half_up_and_repeats_an_odd_edge():
    image = np.array([[0, 1, 7], [1, 0, 8]], np.uint8)[..., None].repeat(3, 2)
    assert halve(image)[..., 0].tolist() == [[1, 8]]
    assert halve(image[:1])[..., 0].tolist() == [[1, 7]]


def test_cutting_changes_nothing():
    """A layer cut to its view is the same part of the layer of the whole picture."""
    image = noise(703, 901)
    quads = (FULL[None] - 0.5) * 0.8 + 0.5
    (cut,) = plan_layers(quads, (703, 901), (80, 80))
    y0, y1, x0, x1 = cut.box
    everything = dataclasses.replace(cut, box=(0, -(-703 // 2**cut.halvings), 0, -(-901 // 2**cut.halvings)))
    whole = make_layer(image, everything)
    rim = len(cut.kernel_x) // 2
    inner = (slice(rim, -rim), slice(rim, -rim))
    np.testing.assert_array_equal(make_layer(image, cut)[inner], whole[y0:y1, x0:x1][inner])


def test_a_prepared_worker_uses_one_thread():
    threads = cv2.getNumThreads()
    try:
        prepare_worker()
        assert cv2.getNumThreads() == 1
    finally:
        cv2.setNumThreads(threads)


@pytest.mark.parametrize("frames", [1, 5])
def test_one_frame_per_view(frames):
    assert render_opencv(noise(20, 30), np.stack([FULL] * frames), (10, 12)).shape == (frames, 10, 12, 3)
