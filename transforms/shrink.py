"""Band-limit a picture before it is warped, so that bilinear sampling neither aliases nor shimmers.

The ideal pixel of a frame is the mean of the picture over that pixel's footprint, a box m picture pixels wide, of variance
m²/12. Bilinear sampling alone sees one pixel's neighbourhood, however large m is. So a picture is halved (exact 2x2 means)
while at least `HALVE_ABOVE` times too fine, and then blurred by a Gaussian that adds just the variance still missing. Matching
the second moment of the box costs a fraction of supersampling and comes within 44 dB and more of it on photographs.

A view that turns or magnifies needs its own amount. Frames are gathered in groups whose scales differ by at most
`GROUP_RATIO`, and each group samples its own layer; steps between groups are far below what can be seen.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from transforms.homography import footprints

HALVE_ABOVE = 3.8  # halve while the finest axis has more picture pixels than this to an output pixel
GROUP_RATIO = 1.3  # of the coarsest to the finest scale in a group
REDUCE_TO = 1.25  # picture pixels that `reduce_for` leaves to a pixel of the tightest view


@dataclass(frozen=True)
class Layer:
    """A filtered copy of a picture and the frames that sample it."""

    image_HWC: NDArray[np.uint8]
    extent: tuple[float, float]  # height and width of the whole picture in this layer's pixels, perhaps half a pixel less
    frames: NDArray[np.intp]  # indices into T


def layers(image_HWC: NDArray[np.uint8], quads_T42: NDArray[np.floating], size: tuple[int, int]) -> list[Layer]:
    """The picture as each group of frames should see it; every frame is in exactly one layer. Quads need no change.

    A clip that nowhere shows the picture smaller than it is gets one layer, the picture itself.
    """
    wide_T2 = footprints(quads_T42, (image_HWC.shape[0], image_HWC.shape[1]), size)
    order = np.argsort(wide_T2.min(axis=1), kind="stable")
    found: list[Layer] = []
    level, halvings = image_HWC, 0
    h, w = image_HWC.shape[:2]
    while len(order):
        finest = wide_T2[order].min(axis=1)
        group = order[finest <= max(finest[0] * GROUP_RATIO, 1.0)]
        order = order[len(group) :]
        while wide_T2[group].min() / 2**halvings > HALVE_ABOVE and min(level.shape[:2]) >= 2:
            level, halvings = halve(level), halvings + 1
        wide_2 = np.sqrt(np.mean(wide_T2[group] ** 2, axis=0)) / 2**halvings
        extent = (h / 2**halvings, w / 2**halvings)
        found.append(Layer(blur(level, missing_variance(wide_2, halvings)), extent, np.sort(group)))
    return found


def missing_variance(footprint_2: NDArray[np.float64], halvings: int) -> NDArray[np.float64]:
    """Variance in pixels², per axis (x, y), that a box of this width has above halving and bilinear sampling.

    The picture is taken to be linear between its pixels (variance 1/6), as bilinear sampling does, so the box needs
    m²/12 + 4^-k/6; k halvings have given (1 - 4^-k)/12 and sampling gives 1/6. Fades out towards m = 1, so that a picture
    shown at its own size stays as it is, byte for byte.
    """
    shrunk = 4.0**-halvings
    variance = footprint_2**2 / 12 + shrunk / 6 - (1 - shrunk) / 12 - 1 / 6
    fade = np.clip((footprint_2 * 2.0**halvings - 1) / 0.1, 0, 1)
    return np.maximum(variance * fade, 0.0)


def halve(image_HWC: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Half the size, rounded up, by 2x2 means; an odd last row or column is repeated first.

    Whole 2x2 means are many times faster than OpenCV's area average at any other ratio.
    """
    h, w = image_HWC.shape[:2]
    if h % 2 or w % 2:
        image_HWC = np.asarray(cv2.copyMakeBorder(image_HWC, 0, h % 2, 0, w % 2, cv2.BORDER_REPLICATE), np.uint8)
    return np.asarray(cv2.resize(image_HWC, ((w + 1) // 2, (h + 1) // 2), interpolation=cv2.INTER_AREA), np.uint8)


def blur(image_HWC: NDArray[np.uint8], variance_2: NDArray[np.float64]) -> NDArray[np.uint8]:
    """Gaussian blur of the given variance in pixels², per axis (x, y), in OpenCV's fixed point: the same bits anywhere."""
    (radius_x, sigma_x), (radius_y, sigma_y) = (_gaussian(float(v)) for v in variance_2)
    if radius_x == radius_y == 0:
        return image_HWC
    kernel = (2 * radius_x + 1, 2 * radius_y + 1)
    blurred = cv2.GaussianBlur(image_HWC, kernel, sigmaX=sigma_x, sigmaY=sigma_y, borderType=cv2.BORDER_REFLECT_101)
    return np.asarray(blurred, np.uint8)


def _gaussian(variance: float) -> tuple[int, float]:
    """Radius and sigma of the sampled, truncated Gaussian of exactly this variance; radius 0 where it would change nothing."""
    if variance < 1 / 128:  # below the 8 bits of the fixed-point kernel
        return 0, 1.0
    radius = 1 if variance <= 0.5 else 2 if variance <= 1.2 else int(np.ceil(2.5 * np.sqrt(variance)))
    offsets = np.arange(-radius, radius + 1)
    sigmas = np.linspace(0.25, max(1.2, 1.5 * np.sqrt(variance)), 128)
    weights = np.exp(-0.5 * (offsets / sigmas[:, None]) ** 2)
    variances = (weights * offsets**2).sum(axis=1) / weights.sum(axis=1)
    return radius, float(np.interp(variance, variances, sigmas))


def reduce_for(image_HWC: NDArray[np.uint8], quads_T42: NDArray[np.floating], *, size: tuple[int, int]) -> NDArray[np.uint8]:
    """The picture, area-averaged down until its tightest view has 1.25 pixels to an output pixel; never enlarged.

    For storing a still that will be animated later. Quads are fractions, so they stay as they are. Applying it twice
    changes nothing. Shrinking by less than a tenth is not worth its blur and is left out.
    """
    h, w = image_HWC.shape[:2]
    factor = REDUCE_TO / float(footprints(quads_T42, (h, w), size).min())
    if factor > 0.9:
        return image_HWC
    smaller = (max(round(w * factor), 1), max(round(h * factor), 1))
    return np.asarray(cv2.resize(image_HWC, smaller, interpolation=cv2.INTER_AREA), np.uint8)
