"""Boxes around the subject, as sources give them and as KEY.json holds them under `meta.boxes`.

A box is [x, y, width, height] in pixels of the upright picture as the source has it. As in COCO, x and y are
those of its top left corner.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

FIELD = "boxes"  # of Reference.meta, and of "meta" in KEY.json
MAX_BOXES = 1000  # of one picture
MAX_PIXELS = 10_000_000.0  # of a coordinate
SIDE = 64  # cells of a side of the grid

Box = tuple[float, float, float, float]  # x, y, width, height, pixels


def parse_boxes(value: Any) -> tuple[Box, ...]:
    """Check a list of boxes; None and [] are no boxes. Raises ValueError naming what is no box."""
    if value is None:
        return ()
    if not isinstance(value, list | tuple):
        raise ValueError(f"boxes = {str(value)[:80]!r}: give a list of [x, y, width, height], pixels")
    if len(value) > MAX_BOXES:
        raise ValueError(f"{len(value)} boxes: at most {MAX_BOXES} are read")
    return tuple(_box(item) for item in value)


def boxes_in(meta: Mapping[str, Any]) -> tuple[Box, ...]:
    """Return the boxes of `Reference.meta` or `ClipMeta.meta`. Raises ValueError as `parse_boxes` does."""
    return parse_boxes(meta.get(FIELD))


def coverage(boxes: Sequence[Box], image_size: tuple[int, int]) -> np.ndarray | None:
    """Return how much of each cell the boxes cover, in 1/4096: whole numbers in float64 [64,64].

    `image_size` is (height, width) in pixels. None if no box has an area inside the picture.
    """
    height, width = image_size
    covered_RC = np.zeros((SIDE, SIDE))
    for x, y, across, down in boxes:
        rows = _overlap(y / height, (y + down) / height)
        columns = _overlap(x / width, (x + across) / width)
        np.maximum(covered_RC, rows[:, None] * columns[None, :], out=covered_RC)
    weights_RC = np.ceil(covered_RC * 4096.0)
    if weights_RC.any():
        return weights_RC
    return None


def _overlap(low: float, high: float) -> np.ndarray:
    """Return the share of each of SIDE equal parts of [0, 1] that [low, high] covers."""
    edges = np.arange(SIDE + 1) / SIDE
    overlap: np.ndarray = np.minimum(edges[1:], high) - np.maximum(edges[:-1], low)
    return np.clip(overlap * SIDE, 0.0, 1.0)


def _box(value: Any) -> Box:
    numbers = []
    if isinstance(value, list | tuple):
        numbers = list(value)
    good = len(numbers) == 4 and all(_is_pixels(number) for number in numbers)
    if not good or numbers[2] < 0 or numbers[3] < 0:
        raise ValueError(f"{str(value)[:80]!r} is no box: give [x, y, width, height], pixels")
    x, y, width, height = map(float, numbers)
    return x, y, width, height


def _is_pixels(value: Any) -> bool:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return False
    return math.isfinite(value) and abs(value) <= MAX_PIXELS
