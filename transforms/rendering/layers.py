"""Band-limit a picture before it is warped, so that bilinear sampling neither aliases nor shimmers.

The ideal pixel of a frame is the mean of the picture over the pixel's footprint: a box m picture pixels wide, of variance
m²/12. Bilinear sampling alone sees one neighbourhood of 2x2 pixels, however large m is. So a picture is halved (exact 2x2
means) while it is more than `HALVE_ABOVE` times too fine, and then blurred by a small kernel that adds just the variance
still missing. That costs a tenth of supersampling and comes within 41 to 50 dB of it on photographs.

Each frame wants its own amount. Frames are gathered in groups whose scales differ by at most `GROUP_RATIO`, and a group
samples one layer: the picture, cut to what the group sees, at one resolution and sharpness.

All of it is integer arithmetic: halving is (a + b + c + d + 2) >> 2, kernels are even 256ths, their sums fit a float32, and
blurring rounds once. OpenCV and torch therefore make the same layers, bit for bit.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

HALVE_ABOVE = 3.8  # picture pixels to an output pixel, along the axis and in the frame that have the fewest
GROUP_RATIO = 1.3  # of the coarsest to the finest scale in a group
KERNEL_SUM = 256
ROUND_UP = (
    KERNEL_SUM**-2
)  # added before rounding: weights are even, so no sum lies midway, where OpenCV rounds either way


@dataclass(frozen=True)
class Layer:
    """How to make one filtered copy of a picture, and which frames sample it."""

    halvings: int
    box: tuple[
        int, int, int, int
    ]  # y0, y1, x0, x1 in pixels of the halved picture: what the frames see, and a margin
    kernel_x: tuple[int, ...]  # in 256ths, an odd number of them; (256,) = as it is
    kernel_y: tuple[int, ...]
    frames: NDArray[np.intp]  # indices into T

    @property
    def shape(self) -> tuple[int, int]:
        """Height and width in pixels."""
        y0, y1, x0, x1 = self.box
        return y1 - y0, x1 - x0

    def index_matrices(self, matrices_T33: NDArray[np.float64]) -> NDArray[np.float64]:
        """[len(frames),3,3]: output indices to indices of this layer, from the clip's `homographies`.

        Half a pixel is added before and taken away after, for an index means a pixel's centre.
        """
        moved = matrices_T33[self.frames]
        moved[:, :2] *= 0.5**self.halvings
        moved[:, :, 2] += 0.5 * (moved[:, :, 0] + moved[:, :, 1])
        moved[:, 0] -= (0.5 + self.box[2]) * moved[:, 2]
        moved[:, 1] -= (0.5 + self.box[0]) * moved[:, 2]
        moved /= moved[:, 2:, 2:]
        return moved


def plan_layers(
    quads_T42: NDArray[np.float64], picture: tuple[int, int], size: tuple[int, int]
) -> Iterator[Layer]:
    """The layers of one clip, the finest first; every frame is in exactly one. `picture` and `size` are (height, width)."""
    pixels_T2 = footprints(quads_T42, picture, size)
    finest_T = pixels_T2.min(axis=1)
    order = np.argsort(finest_T, kind="stable")
    halvings = 0
    while len(order):
        first = finest_T[order[0]]
        group = np.sort(order[finest_T[order] <= max(first * GROUP_RATIO, 1.0)])
        order = order[len(group) :]
        while first / 2**halvings > HALVE_ABOVE:
            halvings += 1
        variance_x, variance_y = missing_variance(np.sqrt(np.mean(pixels_T2[group] ** 2, axis=0)), halvings)
        kernel_x, kernel_y = kernel(variance_x), kernel(variance_y)
        margin = max(len(kernel_x), len(kernel_y)) // 2 + 2
        yield Layer(halvings, _box(quads_T42[group], picture, halvings, margin), kernel_x, kernel_y, group)


def footprints(
    quads_T42: NDArray[np.float64], picture: tuple[int, int], size: tuple[int, int]
) -> NDArray[np.float64]:
    """[T,2]: how wide an output pixel is in the picture, along the picture's x and y, in picture pixels.

    The root of the diagonal of J Jᵀ, J being the map's derivative (mean of opposite sides): a pixel, of variance 1/12 an
    axis, becomes a patch whose variance along x is that of a box this wide, however the view is turned. 1 = shown as it
    is, 2 = shown at half its size.
    """
    quads = quads_T42 * (picture[1], picture[0])
    across = (quads[:, 1] - quads[:, 0] + quads[:, 2] - quads[:, 3]) / (2 * size[1])
    down = (quads[:, 3] - quads[:, 0] + quads[:, 2] - quads[:, 1]) / (2 * size[0])
    return np.sqrt(across**2 + down**2)


def missing_variance(footprint_2: NDArray[np.float64], halvings: int) -> NDArray[np.float64]:
    """What a box of `footprint_2` picture pixels has above halving and bilinear sampling, in halved pixels² (x, y), >= 0.

    In picture pixels: the box has m²/12, and the picture is taken to be linear between its pixels, 1/6. Each 2x2 mean
    has added a quarter of a pixel² of its own size, (4^k - 1)/12 in all, and sampling adds 4^k/6. Towards m = 1 the blur
    fades out, so that a picture shown at its own size stays as it is, byte for byte.
    """
    wanted = footprint_2**2 / 12 + 1 / 6
    given = (4.0**halvings - 1) / 12 + 4.0**halvings / 6
    fade = np.clip((footprint_2 - 1) / 0.1, 0.0, 1.0)
    return np.maximum((wanted - given) * fade, 0.0) / 4.0**halvings


def kernel(variance: float) -> tuple[int, ...]:
    """Symmetric even weights in 256ths, of about this variance in pixels²: three taps up to 2/3, a Gaussian above."""
    if variance <= 2 / 3:
        side = 2 * round(KERNEL_SUM * variance / 4)
        return (side, KERNEL_SUM - 2 * side, side) if side else (KERNEL_SUM,)
    radius = 2 if variance <= 1.2 else int(np.ceil(2.5 * np.sqrt(variance)))
    squares = np.arange(1, radius + 1) ** 2
    sigmas = np.linspace(0.5, 1.5, 201) * np.sqrt(variance)
    half = np.exp(-squares / (2 * sigmas[:, None] ** 2))
    variances = 2 * (half * squares).sum(axis=1) / (1 + 2 * half.sum(axis=1))
    best = half[np.abs(variances - variance).argmin()]
    sides = [2 * round(w / 2) for w in KERNEL_SUM * best / (1 + 2 * best.sum())]
    return (*reversed(sides), KERNEL_SUM - 2 * sum(sides), *sides)


def _box(
    quads_T42: NDArray[np.float64], picture: tuple[int, int], halvings: int, margin: int
) -> tuple[int, int, int, int]:
    x0, y0 = (
        np.floor(quads_T42.min(axis=(0, 1)) * (picture[1], picture[0]) / 2**halvings).astype(int) - margin
    )
    x1, y1 = np.ceil(quads_T42.max(axis=(0, 1)) * (picture[1], picture[0]) / 2**halvings).astype(int) + margin
    h, w = (-(-side // 2**halvings) for side in picture)
    return max(int(y0), 0), min(int(y1), h), max(int(x0), 0), min(int(x1), w)
