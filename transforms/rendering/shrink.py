"""Reduce a picture to what a trajectory needs of it, for storing the still."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from transforms.rendering.homography import checked_quads
from transforms.rendering.layers import footprints

REDUCE_TO = 1.25  # picture pixels that are left to a pixel of the tightest view
WORTH_IT = 0.9  # shrinking by less costs more sharpness than bytes


def reduce_for(
    image_HWC: NDArray[np.uint8], quads_T42: NDArray[np.floating], *, size: tuple[int, int]
) -> NDArray[np.uint8]:
    """The picture, area-averaged down until its tightest view has 1.25 pixels to an output pixel; never enlarged.

    Quads are fractions, so they stay as they are. A factor above 0.9 is left out, so applying it twice changes nothing.
    `image_HWC` is uint8 RGB, `size` the (height, width) of a frame. Raises ValueError for quads that cannot be used.
    """
    h, w = image_HWC.shape[:2]
    factor = REDUCE_TO / float(footprints(checked_quads(quads_T42), (h, w), size).min())
    if factor > WORTH_IT:
        return image_HWC
    smaller = (max(round(w * factor), 1), max(round(h * factor), 1))
    return np.asarray(cv2.resize(image_HWC, smaller, interpolation=cv2.INTER_AREA), np.uint8)
