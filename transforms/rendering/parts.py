"""The form of a plan: what `plan.py` writes, and what the renderers of a GPU read.

The numbers of a plan are one flat int32 array, its words, which crosses to the device in one copy. Slices say
where each table is in it. The few sizes that shape tensors are plain numbers, so that no renderer waits for
the device to learn them.
"""

from __future__ import annotations

from dataclasses import dataclass

COORDINATE_STEPS = 1024  # per pixel, so that coordinates are exact in float32 anywhere on the atlas
# Columns of the two tables.
READ_FIELDS = 6  # first byte, bytes per row, last row, last column; then the first tile's row and column
FRAME_FIELDS = 14  # a 3x3 map without its last number, low and high bounds of x and y, origin on the atlas


@dataclass(frozen=True)
class Tiling:
    """A sheet of tiles that are read from rectangles in the store. Slices are of the plan's words."""

    rows: int  # tiles, up to the last one in use
    columns: int  # tiles
    rectangles: slice  # int32 [R, READ_FIELDS]
    rectangle_of_tile: slice  # int32 [rows * columns]; empty tiles name any


@dataclass(frozen=True)
class Level:
    """One sheet of halved pictures in the store, made from what precedes it there."""

    first_byte: int
    tiling: Tiling


@dataclass(frozen=True)
class Part:
    """Consecutive clips that are rendered together. `kernels` and `table` are slices of the plan's words."""

    frames: int
    pixels: slice  # of the batch's picture bytes
    store_bytes: int
    levels: tuple[Level, ...]
    atlas: Tiling  # its rectangles are the layers
    atlas_rows: int  # a power of two, at least the rows in use
    radius: int  # of the widest blur
    kernels: slice  # float32 [layers, 2, 2*radius + 1]
    table: slice  # float32 [frames, FRAME_FIELDS]
    is_affine: bool  # no frame is in perspective
    is_inside: bool  # no frame samples beyond the bounds of its layer


@dataclass(frozen=True)
class Plan:
    """The shapes of a batch's rendering. Its numbers, the words, are in an array of their own."""

    size: tuple[int, int]  # (h, w) of a frame
    counts: tuple[int, ...]  # frames of each clip
    parts: tuple[Part, ...]
