"""Tests of `transforms.rendering.layer_table`."""

from __future__ import annotations

import numpy as np
import pytest

import zoetrope
from transforms.rendering.layer_table import layer_table
from transforms.rendering.layers import plan_layers

MOTIONS = ("zoom_in", "zoom_out+crop_jitter", "pan_left", "rotate_cw", "tilt", "ken_burns", "static")


@pytest.mark.parametrize("seed", [0, 1])
def test_a_table_of_many_clips_holds_the_layers_that_each_has_alone(seed: int):
    """Frames per clip, sizes and motions differ."""
    rng = np.random.default_rng(seed)
    pictures = [tuple(rng.integers(1, 2500, 2).tolist()) for _ in range(84)]
    clips = [
        zoetrope.sample_motion(MOTIONS[i % 7], seed=i, image_size=picture, frames=1 + i % 13).astype(
            np.float64
        )
        for i, picture in enumerate(pictures)
    ]
    counts = [len(quads) for quads in clips]
    clip_F = np.repeat(np.arange(len(clips)), counts)
    table = layer_table(np.concatenate(clips), counts, pictures, (96, 128))
    middle = table.kernels_L2K.shape[2] // 2
    row = 0
    for index, (quads, picture) in enumerate(zip(clips, pictures, strict=True)):
        for layer in plan_layers(quads, picture, (96, 128)):
            assert table.clip_L[row] == index
            assert table.halvings_L[row] == layer.halvings
            assert tuple(table.box_L4[row]) == layer.box
            np.testing.assert_array_equal(np.flatnonzero(table.layer_F[clip_F == index] == row), layer.frames)
            for weights, single in zip(table.kernels_L2K[row], (layer.kernel_x, layer.kernel_y), strict=True):
                radius = len(single) // 2
                assert tuple(weights[middle - radius : middle + radius + 1]) == single
            row += 1
    assert row == len(table.clip_L)
