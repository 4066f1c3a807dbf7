"""OpenCV as a decoder of single pictures."""

from __future__ import annotations

import numpy as np


def decode_by_opencv(data: bytes) -> np.ndarray | None:
    """Decode to uint8 RGB [H,W,3] as stored, without orientation and alpha; None for a broken file."""
    import cv2

    # The caller reports damage. OpenCV would print it on the terminal as well.
    cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_SILENT)
    flags = cv2.IMREAD_COLOR_RGB | cv2.IMREAD_IGNORE_ORIENTATION
    picture: np.ndarray | None = cv2.imdecode(np.frombuffer(data, np.uint8), flags)
    return picture
