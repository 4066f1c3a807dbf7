"""Plan the layers of a whole batch in arrays, without a loop over clips.

The rules, and the layers, are those of `layers.plan_layers`, which is faster for one clip.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from transforms.rendering.kernel_table import kernel_table
from transforms.rendering.layers import GROUP_RATIO, HALVE_ABOVE, MARGIN, footprints


@dataclass(frozen=True)
class LayerTable:
    """The layers of a batch, ordered by clip, the finest of a clip first.

    Every frame is in exactly one layer.
    """

    clip_L: NDArray[np.intp]
    halvings_L: NDArray[np.int64]
    box_L4: NDArray[np.int64]  # y0, y1, x0, x1 in pixels of the halved picture
    kernels_L2K: NDArray[np.int64]  # x and y, in 256ths, centred, padded with zeros to the widest
    radii_L2: NDArray[np.int64]  # x and y
    layer_F: NDArray[np.intp]  # the layer that a frame samples

    @property
    def shape_L2(self) -> NDArray[np.int64]:
        """Height and width in pixels."""
        return self.box_L4[:, 1::2] - self.box_L4[:, 0::2]


def layer_table(
    quads_F42: NDArray[np.float64],
    counts: Sequence[int],
    pictures: Sequence[tuple[int, int]],
    size: tuple[int, int],
) -> LayerTable:
    """Plan the layers of clips of `counts` frames, over pictures of (height, width) pixels each."""
    pictures_N2 = np.asarray(pictures, np.int64).reshape(-1, 2)
    clip_F = np.repeat(np.arange(len(counts)), counts)
    pixels_F2 = footprints(quads_F42, pictures_N2[clip_F], size)
    finest_F = pixels_F2.min(axis=1)
    layer_F, clip_L = _groups(finest_F, clip_F, len(pictures_N2))
    # A stable sort keeps the frames of a layer in order of time, so that sums have one order.
    order = np.argsort(layer_F, kind="stable")
    frames_L = np.bincount(layer_F, minlength=len(clip_L))
    starts = np.cumsum(frames_L) - frames_L

    halvings_L = _halvings(np.minimum.reduceat(finest_F[order], starts))
    squares_F2 = pixels_F2**2
    mean_L2 = np.stack(
        [np.bincount(layer_F, weights=squares_F2[:, axis]) / frames_L for axis in range(2)], axis=1
    )
    variance_L2 = _missing_variances(np.sqrt(mean_L2), halvings_L[:, None])
    kernels_L2K, radii_L2 = kernel_table(variance_L2)

    ordered = quads_F42[order]
    low_L2 = np.minimum.reduceat(ordered.min(axis=1), starts)
    high_L2 = np.maximum.reduceat(ordered.max(axis=1), starts)
    margin_L = radii_L2.max(axis=1) + MARGIN
    box_L4 = _boxes(low_L2, high_L2, pictures_N2[clip_L], halvings_L, margin_L)
    return LayerTable(clip_L, halvings_L, box_L4, kernels_L2K, radii_L2, layer_F)


def _groups(
    finest_F: NDArray[np.float64], clip_F: NDArray[np.intp], clips: int
) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Return the layer of each frame and the clip of each layer.

    Each round takes one group out of every clip: the finest frame that is left and the frames of about its
    scale.
    """
    counts_N = np.bincount(clip_F, minlength=clips)
    starts_N = np.cumsum(counts_N) - counts_N
    left_NT = np.full((clips, counts_N.max()), np.inf)
    at = (clip_F, np.arange(len(clip_F)) - starts_N[clip_F])
    left_NT[at] = finest_F
    round_NT = np.zeros(left_NT.shape, np.intp)
    rounds = 0
    while (first_N := left_NT.min(axis=1)).min() < np.inf:
        # Views at or below the picture's own scale need no filter, so they share one layer.
        limit_N = np.maximum(first_N * GROUP_RATIO, 1.0)
        taken_NT = (left_NT <= limit_N[:, None]) & (left_NT < np.inf)
        round_NT[taken_NT] = rounds
        left_NT[taken_NT] = np.inf
        rounds += 1
    layers_N = round_NT.max(axis=1) + 1
    layer_F = (np.cumsum(layers_N) - layers_N)[clip_F] + round_NT[at]
    return layer_F, np.repeat(np.arange(clips), layers_N)


def _halvings(finest_L: NDArray[np.float64]) -> NDArray[np.int64]:
    """Return how often each picture is halved until it is at most HALVE_ABOVE times too fine."""
    halvings_L = np.zeros(len(finest_L), np.int64)
    while (too_fine := finest_L / 2.0**halvings_L > HALVE_ABOVE).any():
        halvings_L += too_fine
    return halvings_L


def _missing_variances(
    footprint_L2: NDArray[np.float64], halvings_L1: NDArray[np.int64]
) -> NDArray[np.float64]:
    """Return `layers.missing_variance` of each layer, along x and y."""
    area = 4.0**halvings_L1
    wanted = footprint_L2**2 / 12 + 1 / 6
    given = (area - 1) / 12 + area / 6
    fade = np.clip((footprint_L2 - 1) / 0.1, 0.0, 1.0)
    missing: NDArray[np.float64] = np.maximum((wanted - given) * fade, 0.0) / area
    return missing


def _boxes(
    low_L2: NDArray[np.float64],
    high_L2: NDArray[np.float64],
    pictures_L2: NDArray[np.int64],
    halvings_L: NDArray[np.int64],
    margin_L: NDArray[np.int64],
) -> NDArray[np.int64]:
    """Return y0, y1, x0, x1 of each layer: the part of the halved picture that frames see, and a margin."""
    extent_L2 = pictures_L2[:, ::-1]
    whole_L1 = np.left_shift(1, halvings_L[:, None])
    shrink_L1 = whole_L1.astype(np.float64)
    margin_L1 = margin_L[:, None]
    first_L2 = np.floor(low_L2 * extent_L2 / shrink_L1).astype(np.int64) - margin_L1
    last_L2 = np.ceil(high_L2 * extent_L2 / shrink_L1).astype(np.int64) + margin_L1
    halved_L2 = -(-extent_L2 // whole_L1)
    box_L4 = np.empty((len(halvings_L), 4), np.int64)
    box_L4[:, 2::-2] = np.maximum(first_L2, 0)  # x, y into columns 2, 0
    box_L4[:, 3::-2] = np.minimum(last_L2, halved_L2)
    return box_L4
