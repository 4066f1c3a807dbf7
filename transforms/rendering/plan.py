"""Plan the rendering of a whole batch as numbers in one flat array.

A plan needs trajectories and the sizes of pictures, but no pixels, and numpy makes it without a loop over
clips. So the workers of a loader can make it, and it crosses to the device in one copy. `parts.py` defines
its form, `kornia.py` and `fused.py` execute it.

On the device everything is a tile of TILE x TILE pixels, so that pictures of any sizes become dense tensors:

1. the store holds the pictures' bytes as they come, then one sheet of halved pictures per level;
2. the atlas is one sheet of all layers, cut from the store and blurred;
3. the frames come from one warp that samples the atlas.

A batch that needs more memory than the budgets below is cut into parts of consecutive clips.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from transforms.rendering.homography import checked_quads, homographies
from transforms.rendering.layer_table import LayerTable, layer_table
from transforms.rendering.layers import index_matrices
from transforms.rendering.packing import TILE, Sheet, in_tiles, owners, pack
from transforms.rendering.parts import COORDINATE_STEPS, Level, Part, Plan, Tiling

# Limits of one part, in pixels. At these sizes a part needs about 3 GB of device memory.
FRAME_PIXELS = 3 * 2**25
LAYER_PIXELS = 3 * 2**25
PICTURE_PIXELS = 2**28
INSIDE_BY = 4  # steps from a bound, far more than float32 loses, from which a coordinate needs no clamp


def plan_batch(
    quads: Sequence[NDArray[np.floating]] | NDArray[np.floating],
    pictures: Sequence[tuple[int, int]],
    size: tuple[int, int],
) -> tuple[Plan, NDArray[np.int32]]:
    """Plan clips along `quads` ([T,4,2] of each) over pictures of (height, width) pixels.

    Return the plan and its words.

    The pictures are expected one after another, row by row, as RGB bytes. Words are int32: integers, and
    float32 numbers by their bits. Raises ValueError for quads that cannot be rendered, and for a picture that
    does not fit the atlas.
    """
    if len(quads) == 0:
        return Plan(size, (), ()), np.empty(0, np.int32)
    for quads_T42 in quads:
        if len(quads_T42) == 0 or np.shape(quads_T42)[1:] != (4, 2):
            checked_quads(quads_T42)  # raises
    counts = [len(quads_T42) for quads_T42 in quads]
    quads_F42 = checked_quads(np.concatenate(list(quads)))
    clip_F = np.repeat(np.arange(len(counts)), counts)
    pictures_N2 = np.asarray(pictures, np.int64).reshape(-1, 2)
    layers = layer_table(quads_F42, counts, pictures, size)
    batch = _Batch(pictures_N2, np.asarray(counts), size, quads_F42, clip_F, layers)
    words = _Words()
    parts = tuple(_PartPlanner(batch, first, last, words).plan() for first, last in batch.cuts())
    return Plan(size, tuple(counts), parts), words.joined()


class _Words:
    """The plan's numbers, one section after another."""

    def __init__(self) -> None:
        self._sections: list[NDArray[np.int32]] = []
        self._used = 0

    def add(self, numbers: NDArray[np.int64] | NDArray[np.float32]) -> slice:
        """Append integers or float32 numbers, and return their place."""
        section = np.ascontiguousarray(numbers).ravel()
        is_float = section.dtype == np.float32
        self._sections.append(section.view(np.int32) if is_float else section.astype(np.int32))
        start = self._used
        self._used += len(section)
        return slice(start, self._used)

    def joined(self) -> NDArray[np.int32]:
        """Return all sections in one array."""
        return np.concatenate(self._sections)


@dataclass(frozen=True)
class _Batch:
    """The input of planning: N clips with F frames in all."""

    pictures_N2: NDArray[np.int64]
    counts_N: NDArray[np.int64]
    size: tuple[int, int]
    quads_F42: NDArray[np.float64]
    clip_F: NDArray[np.intp]
    layers: LayerTable

    def cuts(self) -> list[tuple[int, int]]:
        """Return the first clip of each part and the one after its last, by the budgets for memory."""
        tiles_L = in_tiles(self.layers.shape_L2).prod(axis=1)
        layer_N = np.bincount(self.layers.clip_L, weights=tiles_L * TILE**2)
        frame_N = self.counts_N * (self.size[0] * self.size[1])
        picture_N = self.pictures_N2.prod(axis=1)
        shares = (frame_N / FRAME_PIXELS, layer_N / LAYER_PIXELS, picture_N / PICTURE_PIXELS)
        share_N = np.max(shares, axis=0)
        # By the sum before each clip, so a part exceeds its budget by less than its last clip.
        part_N = np.floor(np.cumsum(share_N) - share_N)
        firsts = np.flatnonzero(np.diff(part_N, prepend=-1.0)).tolist()
        return list(zip(firsts, [*firsts[1:], len(part_N)], strict=True))


@dataclass(frozen=True)
class _Regions:
    """The stored pixels of R pictures at one level of halving."""

    clip_R: NDArray[np.intp]
    box_R4: NDArray[np.int64]  # y0, y1, x0, x1 in pixels of that level
    first_byte_R: NDArray[np.int64]
    pitch_R: NDArray[np.int64]  # bytes from one row to the next

    def rectangles(self, clip_M: NDArray[np.intp], box_M4: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return [M,4]: first byte, pitch, last row and last column of boxes within the regions.

        A box may exceed its region by the row and column that halving an odd picture repeats.
        """
        at = np.searchsorted(self.clip_R, clip_M)
        offset_M2 = box_M4[:, 0::2] - self.box_R4[at, 0::2]
        first_byte_M = self.first_byte_R[at] + offset_M2[:, 0] * self.pitch_R[at] + offset_M2[:, 1] * 3
        last_M2 = np.minimum(box_M4[:, 1::2], self.box_R4[at, 1::2]) - box_M4[:, 0::2] - 1
        return np.column_stack([first_byte_M, self.pitch_R[at], last_M2])


class _PartPlanner:
    """Plans the clips from `first` up to, but without, `last`."""

    def __init__(self, batch: _Batch, first: int, last: int, words: _Words) -> None:
        self._batch, self._first, self._last, self._words = batch, first, last, words
        layers = batch.layers
        self._layers = slice(*np.searchsorted(layers.clip_L, (first, last)).tolist())
        self._frames = slice(*np.searchsorted(batch.clip_F, (first, last)).tolist())
        self._clip_L, self._halvings_L = layers.clip_L[self._layers], layers.halvings_L[self._layers]
        self._box_L4 = layers.box_L4[self._layers]
        self._radius = int(layers.radii_L2[self._layers].max())

    def plan(self) -> Part:
        """Plan the store, the atlas and the frames."""
        ends_N = np.cumsum(self._batch.pictures_N2.prod(axis=1) * 3)
        ends_R = ends_N[self._first : self._last]
        pictures_R2 = self._batch.pictures_N2[self._first : self._last]
        sizes_R = pictures_R2.prod(axis=1) * 3
        start = int(ends_R[0] - sizes_R[0])
        box_R4 = np.stack([np.zeros_like(pictures_R2), pictures_R2], axis=2).reshape(-1, 4)
        clip_R = np.arange(self._first, self._last)
        regions = [_Regions(clip_R, box_R4, ends_R - sizes_R - start, pictures_R2[:, 1] * 3)]
        store_bytes = int(ends_R[-1]) - start
        levels = []
        for depth in range(1, int(self._halvings_L.max()) + 1):
            level, made = self._level(depth, regions[-1], store_bytes)
            regions.append(made)
            levels.append(level)
            store_bytes += level.tiling.rows * level.tiling.columns * TILE**2 * 3

        if store_bytes > np.iinfo(np.int32).max:
            raise self._too_large()
        shape_L2 = in_tiles(self._box_L4[:, 1::2] - self._box_L4[:, 0::2])
        sheet = self._sheet(shape_L2)
        rows = 2 ** (sheet.rows - 1).bit_length()
        table = self._frame_table(sheet, rows)
        return Part(
            frames=len(table),
            pixels=slice(start, int(ends_R[-1])),
            store_bytes=store_bytes,
            levels=tuple(levels),
            atlas=self._tiling(sheet, shape_L2, self._layer_reads(regions)),
            atlas_rows=rows,
            radius=self._radius,
            kernels=self._words.add(self._kernels()),
            table=self._words.add(table),
            is_affine=not table[:, 6:8].any(),
            is_inside=_is_inside(table, self._batch.size),
        )

    def _level(self, depth: int, below: _Regions, first_byte: int) -> tuple[Level, _Regions]:
        """Plan one sheet of halved pictures: of each the part that layers of this depth or more need."""
        deep = self._halvings_L >= depth
        clip_R, region_D = np.unique(self._clip_L[deep], return_inverse=True)
        # A layer's box, in pixels of this level, which is finer than the layer or as fine.
        box_D4 = self._box_L4[deep] << (self._halvings_L[deep] - depth)[:, None]
        # Rounded up: halving repeats the last row and column of an odd picture.
        halved_R2 = -(-self._batch.pictures_N2[clip_R] >> depth)
        low_R2, high_R2 = halved_R2.copy(), np.zeros_like(halved_R2)
        np.minimum.at(low_R2, region_D, box_D4[:, 0::2])
        np.maximum.at(high_R2, region_D, box_D4[:, 1::2])
        box_R4 = np.stack([low_R2, np.minimum(high_R2, halved_R2)], axis=2).reshape(-1, 4)

        shape_R2 = in_tiles(box_R4[:, 1::2] - box_R4[:, 0::2])
        sheet = self._sheet(shape_R2)
        tiling = self._tiling(sheet, shape_R2, below.rectangles(clip_R, 2 * box_R4))
        pitch = sheet.columns * TILE * 3
        first_byte_R = first_byte + sheet.row_R * TILE * pitch + sheet.column_R * TILE * 3
        made = _Regions(clip_R, box_R4, first_byte_R, np.full(len(clip_R), pitch))
        return Level(first_byte, tiling), made

    def _layer_reads(self, regions: Sequence[_Regions]) -> NDArray[np.int64]:
        """Return where each layer is in the store, as `_Regions.rectangles`."""
        read_L4 = np.empty((len(self._box_L4), 4), np.int64)
        for depth, level in enumerate(regions):
            here = self._halvings_L == depth
            read_L4[here] = level.rectangles(self._clip_L[here], self._box_L4[here])
        return read_L4

    def _tiling(self, sheet: Sheet, shape_R2: NDArray[np.int64], read_R4: NDArray[np.int64]) -> Tiling:
        rectangles = np.column_stack([read_R4, sheet.row_R, sheet.column_R])
        owner = self._words.add(owners(sheet, shape_R2))
        return Tiling(sheet.rows, sheet.columns, self._words.add(rectangles), owner)

    def _kernels(self) -> NDArray[np.float32]:
        """Return the layers' kernels, as wide as the widest of this part."""
        kernels_L2K = self._batch.layers.kernels_L2K[self._layers]
        middle = kernels_L2K.shape[2] // 2
        return kernels_L2K[:, :, middle - self._radius : middle + self._radius + 1].astype(np.float32)

    def _frame_table(self, sheet: Sheet, rows: int) -> NDArray[np.float32]:
        """Return [F,FRAME_FIELDS]: where each frame samples the atlas.

        The maps count from the centre of the frame and from the nearest pixel to it on the layer. Numbers are
        so small there that float32 computes them to about a ten-thousandth of a pixel.
        """
        batch, layers = self._batch, self._batch.layers
        layer_F = layers.layer_F[self._frames]
        clip_F = batch.clip_F[self._frames]
        maps_F33 = homographies(batch.quads_F42[self._frames], batch.pictures_N2[clip_F], batch.size)
        maps_F33 = index_matrices(maps_F33, layers.halvings_L[layer_F], layers.box_L4[layer_F, 0::2])
        h, w = batch.size
        maps_F33[:, :, 2] = maps_F33 @ ((w - 1) / 2, (h - 1) / 2, 1.0)
        maps_F33 /= maps_F33[:, 2:, 2:]
        centre_F2 = np.rint(maps_F33[:, :2, 2])
        maps_F33[:, :2] -= centre_F2[:, :, None] * maps_F33[:, 2:]
        maps_F33[:, :2] *= COORDINATE_STEPS
        low_F2 = -centre_F2 * COORDINATE_STEPS
        last_F2 = layers.shape_L2[layer_F, ::-1] - 1
        high_F2 = (last_F2 - centre_F2) * COORDINATE_STEPS
        on_sheet = layer_F - self._layers.start
        corner_F2 = np.stack([sheet.column_R[on_sheet], sheet.row_R[on_sheet]], axis=1) * TILE
        # grid_sample counts from -1 to 1 between the outer edges. Powers of two make the conversion exact.
        sides = np.array([sheet.columns, rows]) * TILE
        origin_F2 = (2 * (corner_F2 + centre_F2) + 1) / sides - 1
        columns = (maps_F33.reshape(-1, 9)[:, :8], low_F2, high_F2, origin_F2)
        return np.concatenate(columns, axis=1).astype(np.float32)

    def _sheet(self, shape_R2: NDArray[np.int64]) -> Sheet:
        try:
            return pack(shape_R2)
        except ValueError:
            raise self._too_large() from None

    def _too_large(self) -> ValueError:
        pictures_R2 = self._batch.pictures_N2[self._first : self._last]
        height, width = pictures_R2[pictures_R2.prod(axis=1).argmax()].tolist()
        h, w = self._batch.size
        return ValueError(
            f"picture of {width}x{height}: too large to render at {w}x{h} in one piece; "
            "use a smaller picture or device='cpu'"
        )


def _is_inside(table: NDArray[np.float32], size: tuple[int, int]) -> bool:
    """Are all samples of all frames within their layers' bounds? The corners of a frame see furthest."""
    right, bottom = (size[1] - 1) / 2, (size[0] - 1) / 2
    corners_34 = np.array([[-right, right, right, -right], [-bottom, -bottom, bottom, bottom], [1.0] * 4])
    maps_F33 = np.insert(table[:, :8].astype(np.float64), 8, 1.0, axis=1).reshape(-1, 3, 3)
    seen_F34 = maps_F33 @ corners_34
    seen_F24 = seen_F34[:, :2] / seen_F34[:, 2:]
    low_F2, high_F2 = table[:, 8:10], table[:, 10:12]
    enters = seen_F24.min(axis=2) >= low_F2 + INSIDE_BY
    return bool((enters & (seen_F24.max(axis=2) <= high_F2 - INSIDE_BY)).all())
