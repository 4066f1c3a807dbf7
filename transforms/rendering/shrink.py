"""Reduce a picture to the resolution that a trajectory needs, before the still is stored."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from transforms.rendering.homography import checked_quads
from transforms.rendering.layers import footprints

REDUCE_TO = 1.25  # picture pixels that remain per output pixel of the tightest view
WORTH_IT = 0.9  # a factor above it costs more sharpness than it saves bytes


def reduce_for(
    image_HWC: NDArray[np.uint8], quads_T42: NDArray[np.floating], *, size: tuple[int, int]
) -> NDArray[np.uint8]:
    """Average the picture down until its tightest view has 1.25 pixels per output pixel. Never enlarge it.

    Quads are fractions, so they stay as they are. A factor above 0.9 is not applied, so that a second call
    changes nothing. `image_HWC` is uint8 RGB, `size` the (height, width) of a frame. Raises ValueError for
    unusable quads.
    """
    h, w = image_HWC.shape[:2]
    factor = REDUCE_TO / float(footprints(checked_quads(quads_T42), (h, w), size).min())
    if factor > WORTH_IT:
        return image_HWC
    smaller = (max(round(w * factor), 1), max(round(h * factor), 1))
    return np.asarray(cv2.resize(image_HWC, smaller, interpolation=cv2.INTER_AREA), np.uint8)
