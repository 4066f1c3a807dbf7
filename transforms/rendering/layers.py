"""Band-limit a picture before it is warped, so that bilinear sampling neither aliases nor shimmers.

The ideal pixel of a frame is the mean of the picture over the pixel's footprint: a box m picture pixels wide,
of variance m²/12. Bilinear sampling alone sees one neighbourhood of 2x2 pixels, however large m is. So a
picture is halved (exact 2x2 means) while it is more than `HALVE_ABOVE` times too fine. A small kernel then
adds the variance that is still missing. That costs a tenth of supersampling and reaches 41 to 50 dB of it on
photographs.

Each frame needs its own amount. Frames form groups whose scales differ by at most `GROUP_RATIO`. A group
samples one layer: the picture, cut to the part that the group sees, at one resolution and sharpness.

All arithmetic is on integers. Halving is (a + b + c + d + 2) >> 2. Kernels are even 256ths whose sums fit a
float32, and blurring rounds once. OpenCV and torch therefore make the same layers, bit for bit.

Python's own numbers plan the layers of one clip, one or two, in a fifth of the time that arrays of two
elements take. `layer_table` plans those of a whole batch in arrays.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from transforms.rendering.homography import double_sides
from transforms.rendering.kernels import kernel

HALVE_ABOVE = 3.8  # picture pixels per output pixel, along the axis and in the frame that have the fewest
GROUP_RATIO = 1.3  # of the coarsest to the finest scale in a group
MARGIN = 2  # pixels of a layer around what its frames see, besides the kernel's radius
View = Sequence[float]  # of a frame: its footprint along x and y, then left, top, right, bottom in fractions


@dataclass(frozen=True)
class Layer:
    """How to make one filtered copy of a picture, and which frames sample it."""

    halvings: int
    box: tuple[int, int, int, int]  # y0, y1, x0, x1 in pixels of the halved picture
    kernel_x: tuple[int, ...]  # in 256ths, an odd number of them; (256,) changes nothing
    kernel_y: tuple[int, ...]
    frames: list[int]  # indices into T, ascending

    @property
    def shape(self) -> tuple[int, int]:
        """Height and width in pixels."""
        y0, y1, x0, x1 = self.box
        return y1 - y0, x1 - x0

    @property
    def radii(self) -> tuple[int, int]:
        """Radii of the kernels, x and y."""
        return len(self.kernel_x) // 2, len(self.kernel_y) // 2

    def index_matrices(self, matrices_T33: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return [len(frames),3,3]: output indices to this layer's, from the clip's `homographies`."""
        return index_matrices(matrices_T33[self.frames], self.halvings, (self.box[0], self.box[2]))


def index_matrices(
    matrices_F33: NDArray[np.float64], halvings: ArrayLike, origin: ArrayLike
) -> NDArray[np.float64]:
    """Return [F,3,3]: maps from output indices to indices of a layer.

    The layer starts at `origin` (y, x) of the halved picture.

    An index means the centre of a pixel, so half a pixel is added before the map and removed after it.
    `halvings` and `origin` hold for all frames, or are given per frame ([F] and [F,2]).
    """
    scale = 0.5 ** np.asarray(halvings, np.float64)
    corner_xy = 0.5 + np.asarray(origin, np.float64)[..., ::-1]
    moved = matrices_F33.copy()
    moved[:, :2] *= scale[..., None, None]
    moved[:, :, 2] += 0.5 * (moved[:, :, 0] + moved[:, :, 1])
    moved[:, :2] -= corner_xy[..., None] * moved[:, 2:]
    moved /= moved[:, 2:, 2:]
    return moved


def plan_layers(
    quads_T42: NDArray[np.float64], picture: tuple[int, int], size: tuple[int, int]
) -> list[Layer]:
    """Plan the layers of one clip, the finest first. `picture` and `size` are (height, width)."""
    return _layers(_views(quads_T42, picture, size), picture)


def _views(quads_F42: NDArray[np.float64], picture: ArrayLike, size: tuple[int, int]) -> list[View]:
    pixels_F2 = footprints(quads_F42, picture, size)
    views_F6 = np.concatenate([pixels_F2, quads_F42.min(axis=1), quads_F42.max(axis=1)], axis=1)
    views: list[View] = views_F6.tolist()
    return views


def _layers(views: Sequence[View], picture: tuple[int, int]) -> list[Layer]:
    groups = _groups([min(across, down) for across, down, *_ in views])
    return [_layer(frames, [views[t] for t in frames], picture) for frames in groups]


def _groups(finest_T: Sequence[float]) -> list[list[int]]:
    """Return the frames of each layer: the finest frame that is left, and the frames of about its scale."""
    groups: list[list[int]] = []
    limit = -math.inf
    for t in sorted(range(len(finest_T)), key=finest_T.__getitem__):
        if finest_T[t] > limit:
            # Views at or below the picture's own scale need no filter, so they share one layer.
            limit = max(finest_T[t] * GROUP_RATIO, 1.0)
            groups.append([])
        groups[-1].append(t)
    return [sorted(frames) for frames in groups]  # in order of time, so that sums have one order


def _layer(frames: list[int], views: Sequence[View], picture: tuple[int, int]) -> Layer:
    across, down, left, top, right, bottom = zip(*views, strict=True)
    finest = min(min(across), min(down))
    halvings = 0
    while finest / 2.0**halvings > HALVE_ABOVE:
        halvings += 1
    # Variances add up, and widths do not: hence the root of the mean square over the group's frames.
    kernel_x, kernel_y = (
        kernel(missing_variance(_root_mean_square(footprint), halvings)) for footprint in (across, down)
    )
    margin = max(len(kernel_x), len(kernel_y)) // 2 + MARGIN
    y0, y1 = _span(min(top), max(bottom), picture[0], halvings, margin)
    x0, x1 = _span(min(left), max(right), picture[1], halvings, margin)
    return Layer(halvings, (y0, y1, x0, x1), kernel_x, kernel_y, frames)


def _root_mean_square(values: Sequence[float]) -> float:
    total = 0.0
    for value in values:  # `sum` adds in another way since Python 3.12
        total += value * value
    return math.sqrt(total / len(values))


def _span(low: float, high: float, side: int, halvings: int, margin: int) -> tuple[int, int]:
    """Return the pixels of the halved picture that frames see along one axis, and a margin."""
    shrink = 2**halvings
    first = math.floor(low * side / shrink) - margin
    last = math.ceil(high * side / shrink) + margin
    return max(first, 0), min(last, -(-side // shrink))


def footprints(
    quads_F42: NDArray[np.float64], picture: ArrayLike, size: tuple[int, int]
) -> NDArray[np.float64]:
    """Return [F,2]: the width of an output pixel along the picture's x and y, in picture pixels.

    It is the root of the diagonal of J Jᵀ, where J is the map's derivative (the mean of opposite sides). A
    pixel has a variance of 1/12 per axis. It becomes a patch whose variance along x is that of a box this
    wide, however the view is turned. A width of 1 means shown at its own size, 2 at half its size. `picture`
    is (H, W), one for all frames or one per frame.
    """
    corners_F42 = quads_F42 * np.asarray(picture, np.float64)[..., None, ::-1]
    sides_F22 = double_sides(corners_F42)
    sides_F22 /= ((2 * size[1],), (2 * size[0],))
    sides_F22 *= sides_F22
    pixels_F2: NDArray[np.float64] = np.sqrt(sides_F22[:, 0] + sides_F22[:, 1])
    return pixels_F2


def missing_variance(footprint: float, halvings: int) -> float:
    """Return the variance that halving and bilinear sampling leave missing, in halved pixels², at least 0.

    In picture pixels, a box of `footprint` has m²/12, and the picture is taken to be linear between its
    pixels, 1/6. Each 2x2 mean has added a quarter of a pixel² of its own size, (4^k - 1)/12 in all, and
    sampling adds 4^k/6. Towards m = 1 the blur fades out, so that a picture shown at its own size stays as it
    is, byte for byte.
    """
    area = 4.0**halvings
    wanted = footprint * footprint / 12 + 1 / 6
    given = (area - 1) / 12 + area / 6
    fade = min(max((footprint - 1) / 0.1, 0.0), 1.0)
    return max((wanted - given) * fade, 0.0) / area
