"""Band-limit a picture before it is warped, so that bilinear sampling neither aliases nor shimmers.

The ideal pixel of a frame is the mean of the picture over the pixel's footprint: a box m picture pixels wide,
of variance m²/12. Bilinear sampling alone sees one neighbourhood of 2x2 pixels, however large m is. So a
picture is halved (exact 2x2 means) while it is more than `HALVE_ABOVE` times too fine. A small kernel then
adds the variance that is still missing. That costs a tenth of supersampling and reaches 41 to 50 dB of it on
photographs.

Each frame needs its own amount. Frames form groups whose scales differ by at most `GROUP_RATIO`, and a group
samples one layer: the picture, cut to the part that the group sees, at one resolution and sharpness.

All arithmetic is on integers: halving is (a + b + c + d + 2) >> 2, kernels are even 256ths whose sums fit a
float32, and blurring rounds once. OpenCV and torch therefore make the same layers, bit for bit. `layer_table`
plans the layers of a whole batch at once, and numpy sees no loop over clips.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from transforms.rendering.kernels import kernel_table

HALVE_ABOVE = 3.8  # picture pixels per output pixel, along the axis and in the frame that have the fewest
GROUP_RATIO = 1.3  # of the coarsest to the finest scale in a group
MARGIN = 2  # pixels of a layer around what its frames see, besides the kernel's radius


@dataclass(frozen=True)
class Layer:
    """How to make one filtered copy of a picture, and which frames sample it."""

    halvings: int
    box: tuple[int, int, int, int]  # y0, y1, x0, x1 in pixels of the halved picture
    kernel_x: tuple[int, ...]  # in 256ths, an odd number of them; (256,) changes nothing
    kernel_y: tuple[int, ...]
    frames: NDArray[np.intp]  # indices into T

    @property
    def shape(self) -> tuple[int, int]:
        """Height and width in pixels."""
        y0, y1, x0, x1 = self.box
        return y1 - y0, x1 - x0

    def index_matrices(self, matrices_T33: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return [len(frames),3,3]: output indices to this layer's, from the clip's `homographies`."""
        return index_matrices(matrices_T33[self.frames], self.halvings, (self.box[0], self.box[2]))


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


def index_matrices(
    matrices_F33: NDArray[np.float64], halvings: ArrayLike, origin: ArrayLike
) -> NDArray[np.float64]:
    """Return [F,3,3]: output indices to indices of a layer that starts at `origin` (y, x) of the halved
    picture.

    An index means the centre of a pixel, so half a pixel is added before the map and removed after it.
    `halvings` and `origin` hold for all frames, or are given per frame ([F] and [F,2]).
    """
    scale = 0.5 ** np.asarray(halvings, np.float64)
    corner = np.asarray(origin, np.float64)
    y0, x0 = corner[..., 0], corner[..., 1]
    moved = matrices_F33.copy()
    moved[:, :2] *= scale[..., None, None]
    moved[:, :, 2] += 0.5 * (moved[:, :, 0] + moved[:, :, 1])
    moved[:, 0] -= (0.5 + x0)[..., None] * moved[:, 2]
    moved[:, 1] -= (0.5 + y0)[..., None] * moved[:, 2]
    moved /= moved[:, 2:, 2:]
    return moved


def plan_layers(
    quads_T42: NDArray[np.float64], picture: tuple[int, int], size: tuple[int, int]
) -> Iterator[Layer]:
    """Yield the layers of one clip, the finest first. `picture` and `size` are (height, width)."""
    table = layer_table(quads_T42, np.zeros(len(quads_T42), np.intp), np.array([picture]), size)
    middle = table.kernels_L2K.shape[2] // 2
    for layer, (halvings, box, kernels, radii) in enumerate(
        zip(table.halvings_L, table.box_L4, table.kernels_L2K, table.radii_L2, strict=True)
    ):
        kernel_x, kernel_y = (
            tuple(weights[middle - radius : middle + radius + 1].tolist())
            for weights, radius in zip(kernels, radii, strict=True)
        )
        y0, y1, x0, x1 = box.tolist()
        frames = np.flatnonzero(table.layer_F == layer)
        yield Layer(int(halvings), (y0, y1, x0, x1), kernel_x, kernel_y, frames)


def layer_table(
    quads_F42: NDArray[np.float64],
    clip_F: NDArray[np.intp],
    pictures_N2: NDArray[np.int64],
    size: tuple[int, int],
) -> LayerTable:
    """Plan the layers of N clips at once. `clip_F` is the clip of each frame, in ascending order."""
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
    variance_L2 = missing_variance(np.sqrt(mean_L2), halvings_L[:, None])
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


def footprints(
    quads_F42: NDArray[np.float64], picture: ArrayLike, size: tuple[int, int]
) -> NDArray[np.float64]:
    """Return [F,2]: the width of an output pixel in the picture, along the picture's x and y, in picture
    pixels.

    It is the root of the diagonal of J Jᵀ, where J is the map's derivative (the mean of opposite sides). A
    pixel, of variance 1/12 per axis, becomes a patch whose variance along x is that of a box this wide,
    however the view is turned. 1 means shown at its own size, 2 at half its size. `picture` is (H, W), one
    for all frames or one per frame.
    """
    quads = quads_F42 * np.asarray(picture, np.float64)[..., None, ::-1]
    across = (quads[:, 1] - quads[:, 0] + quads[:, 2] - quads[:, 3]) / (2 * size[1])
    down = (quads[:, 3] - quads[:, 0] + quads[:, 2] - quads[:, 1]) / (2 * size[0])
    return np.sqrt(across**2 + down**2)


def missing_variance(footprint: NDArray[np.float64], halvings: ArrayLike) -> NDArray[np.float64]:
    """Return the variance that halving and bilinear sampling leave missing, in halved pixels² (x, y), at
    least 0.

    In picture pixels, a box of `footprint` has m²/12, and the picture is taken to be linear between its
    pixels, 1/6. Each 2x2 mean has added a quarter of a pixel² of its own size, (4^k - 1)/12 in all, and
    sampling adds 4^k/6. Towards m = 1 the blur fades out, so that a picture shown at its own size stays as it
    is, byte for byte.
    """
    area = 4.0 ** np.asarray(halvings)
    wanted = footprint**2 / 12 + 1 / 6
    given = (area - 1) / 12 + area / 6
    fade = np.clip((footprint - 1) / 0.1, 0.0, 1.0)
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
