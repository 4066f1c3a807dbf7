"""Display matrices of videos: a decoded frame is turned and mirrored as the ffmpeg command does it."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np


def upright(image_HWC: np.ndarray, matrix: Sequence[int] | None) -> np.ndarray:
    """Turn and mirror a frame by its display matrix: nine numbers, row by row; None leaves it as it is.

    These are the filters that ffmpeg inserts (`configure_input_video_filter`). An angle between quarter
    turns, for which ffmpeg rotates inside the frame, goes to the nearest quarter turn.
    """
    if matrix is None:
        return image_HWC
    quarter_turns = round(_clockwise_degrees(matrix) / 90) % 4
    if quarter_turns == 1:
        if matrix[3] > 0:
            return image_HWC.swapaxes(0, 1)
        return np.rot90(image_HWC, -1)
    if quarter_turns == 3:
        if matrix[3] < 0:
            return np.rot90(image_HWC, 2).swapaxes(0, 1)
        return np.rot90(image_HWC)
    if quarter_turns == 2 and matrix[0] < 0:
        image_HWC = image_HWC[:, ::-1]
    if matrix[4] < 0:
        return image_HWC[::-1]
    return image_HWC


def _clockwise_degrees(matrix: Sequence[int]) -> float:
    """The angle of `av_display_rotation_get`, clockwise; 0 for a matrix without one."""
    scales = (math.hypot(matrix[0], matrix[3]), math.hypot(matrix[1], matrix[4]))
    if 0 in scales:
        return 0.0
    return math.degrees(math.atan2(matrix[1] / scales[1], matrix[0] / scales[0]))
