"""CLIP's resize: the shorter side by bicubic interpolation, then a centre crop."""

from __future__ import annotations

import numpy as np


def fit(image_HWC: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Resize uint8 RGB [H,W,3] until it covers `size` = (height, width) in pixels, then crop its centre.

    The filter is PIL's antialiased bicubic. The sizes are rounded as torchvision's Resize and CenterCrop
    round them. An image that has the size already is returned as it is.
    """
    height, width = image_HWC.shape[:2]
    if (height, width) == size:
        return image_HWC
    from PIL import Image

    resized = _covering((height, width), size)
    picture = Image.fromarray(image_HWC)
    if resized != (height, width):
        picture = picture.resize((resized[1], resized[0]), Image.Resampling.BICUBIC)
    top = round((resized[0] - size[0]) / 2)
    left = round((resized[1] - size[1]) / 2)
    return np.asarray(picture)[top : top + size[0], left : left + size[1]]


def _covering(stored: tuple[int, int], size: tuple[int, int]) -> tuple[int, int]:
    """The resized size: one side equals that of `size`, the other keeps the aspect, rounded down."""
    height, width = stored
    if size[0] * width >= size[1] * height:
        return size[0], size[0] * width // height
    return size[1] * height // width, size[1]
