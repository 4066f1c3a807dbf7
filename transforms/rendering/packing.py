"""Pack rectangles of whole tiles into one sheet, without a loop over rectangles.

A sheet is `columns` tiles wide. Rectangles fill shelves from left to right, the highest first, so that a
shelf is as high as its first rectangle.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

TILE = 64  # pixels per side
MAX_SIDE = 2**14  # pixels of a sheet: with 1024 steps per pixel a coordinate fills the 24 bits of a float32
MAX_TILES = MAX_SIDE // TILE


@dataclass(frozen=True)
class Sheet:
    """The places of R rectangles on a sheet, in tiles."""

    columns: int  # a power of two
    rows: int  # up to the last one in use
    row_R: NDArray[np.int64]  # of the top-left tile
    column_R: NDArray[np.int64]


def in_tiles(shape_R2: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return height and width in tiles, rounded up, of rectangles in pixels."""
    return -(-shape_R2 // TILE)


def pack(shape_R2: NDArray[np.int64]) -> Sheet:
    """Place rectangles of `shape_R2` (height, width) tiles.

    Raise ValueError if they need more than MAX_TILES per side.
    """
    heights, widths = shape_R2.T
    widest = int(widths.max())
    columns = _columns(int((heights * widths).sum()), widest)
    # A rectangle starts before `usable` and so ends on the sheet. The sum of widths needs no correction.
    usable = columns - widest + 1
    order = np.argsort(-heights, kind="stable")
    starts = np.cumsum(widths[order]) - widths[order]
    _, first, shelf = np.unique(starts // usable, return_index=True, return_inverse=True)
    depth = heights[order][first]  # of a shelf
    row_R, column_R = np.empty_like(heights), np.empty_like(widths)
    row_R[order] = (np.cumsum(depth) - depth)[shelf]
    column_R[order] = starts % usable
    rows = int(depth.sum())
    if columns > MAX_TILES or rows > MAX_TILES:
        raise ValueError(f"{columns}x{rows} tiles do not fit a sheet of {MAX_TILES}x{MAX_TILES}")
    return Sheet(columns, rows, row_R, column_R)


def _columns(tiles: int, widest: int) -> int:
    """Return a width that makes the sheet about square and leaves little room at the ends of its shelves."""
    wanted = max(int(tiles**0.5), min(4 * widest, MAX_TILES), widest)
    power = 2 ** max(wanted - 1, 0).bit_length()
    if widest > MAX_TILES:
        return power
    return min(power, MAX_TILES)


def owners(sheet: Sheet, shape_R2: NDArray[np.int64]) -> NDArray[np.intp]:
    """Return the rectangle of each tile of the sheet, row by row; 0 where a tile is empty."""
    heights, widths = shape_R2.T
    # First one entry per row of a rectangle, then one per tile: fewer numbers to divide.
    rectangle_H = np.repeat(np.arange(len(heights)), heights)
    row_H = np.arange(len(rectangle_H)) - np.repeat(np.cumsum(heights) - heights - sheet.row_R, heights)
    start_H = row_H * sheet.columns + sheet.column_R[rectangle_H]
    width_H = widths[rectangle_H]
    place_N = np.arange(width_H.sum()) + np.repeat(start_H - np.cumsum(width_H) + width_H, width_H)
    rectangle_N = np.zeros(sheet.columns * sheet.rows, np.intp)
    rectangle_N[place_N] = np.repeat(rectangle_H, width_H)
    return rectangle_N
