"""Render a batch with kornia on CUDA or on a CPU, in a number of operators that does not depend on the batch.

`plan.py` says what is done; here it is done, on dense tensors of tiles. All sums are whole numbers below
2^24, so layers equal OpenCV's bit for bit. Only reads are indexed, never writes, so that deterministic
algorithms cost nothing. An operator on a whole batch moves up to 2 GB, and that takes its time on a GPU. So
tensors are as narrow as their numbers allow, and factors are folded into weights.

Frames do not depend on the rest of the batch. A coordinate is rounded to 1/1024 pixel on the frame's own
layer, and sides of the atlas are powers of two. So no bit is lost when it moves to the atlas and to
grid_sample's -1..1.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import nullcontext
from typing import Any

import numpy as np
import torch
from kornia.geometry.transform import remap
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.functional import pad

from transforms.rendering.kernels import KERNEL_SUM, ROUND_UP
from transforms.rendering.packing import TILE
from transforms.rendering.parts import COORDINATE_STEPS, FRAME_FIELDS, READ_FIELDS, Part, Plan, Tiling
from transforms.rendering.plan import plan_batch

PartRenderer = Callable[[Tensor, Part, tuple[int, int], Tensor], Tensor]  # as `render_part`


class Started:
    """Frames of a batch that a device is making."""

    def __init__(self, frames: list[NDArray[np.uint8]], done: Any = None) -> None:
        self._frames, self._done = frames, done

    def frames(self) -> list[NDArray[np.uint8]]:
        """Wait for the device, and return frames_THWC uint8 of each picture."""
        if self._done is not None:
            self._done.synchronize()
        return self._frames


def render_kornia(
    images: Sequence[NDArray[np.uint8]],
    quads: Sequence[NDArray[np.floating]],
    size: tuple[int, int],
    device: str,
    render: PartRenderer | None = None,
) -> list[NDArray[np.uint8]]:
    """Return frames_THWC uint8 of each RGB picture. Pictures, plan and frames cross in one copy each.

    `render` replaces `render_part`.
    """
    return start_kornia(images, quads, size, device, render=render).frames()


def start_kornia(
    images: Sequence[NDArray[np.uint8]],
    quads: Sequence[NDArray[np.floating]],
    size: tuple[int, int],
    device: str,
    stream: Any = None,
    outputs: Sequence[NDArray[np.uint8] | None] | None = None,
    render: PartRenderer | None = None,
) -> Started:
    """Queue what `render_kornia` does, on a stream of the device or on its current one.

    Batches on two streams overlap: one is copied while the other is rendered. With `outputs`, each clip's
    frames are written there (None: into new memory), and each picture is copied from where it is. A GPU does
    both by itself if that memory is page-locked.
    """
    plan, words = plan_batch(quads, [(image.shape[0], image.shape[1]) for image in images], size)
    if not plan.counts:
        return Started([])
    target = torch.device(device)
    on_gpu = target.type == "cuda"
    places = None
    if outputs is not None:
        # Before anything is queued: frames may overwrite pictures, which a caller needs again if this fails.
        shapes = [(count, *size, 3) for count in plan.counts]
        places = [_place(output, shape, on_gpu) for output, shape in zip(outputs, shapes, strict=True)]
    with torch.cuda.stream(stream) if on_gpu and stream is not None else nullcontext():
        if places is None:
            pixels = _packed(images, pinned=on_gpu).to(target, non_blocking=True)
        else:
            pixels = _moved(images, target)
        frames_FHWC = render_packed(pixels, plan, to_device(words, target), render or render_part)
        clips = _to_host(frames_FHWC, plan.counts, places)
        done = None
        if on_gpu:
            done = torch.cuda.Event(blocking=True)  # who waits sleeps, and leaves the core to the workers
            done.record(torch.cuda.current_stream(target))
    return Started(clips, done)


def _moved(images: Sequence[NDArray[np.uint8]], device: torch.device) -> Tensor:
    """Return the pictures' bytes, one after another, each copied to the device from where it is."""
    pixels = torch.empty(sum(image.size for image in images), dtype=torch.uint8, device=device)
    parts = pixels.split([image.size for image in images])
    for part, image_HWC in zip(parts, images, strict=True):
        part.copy_(torch.from_numpy(image_HWC.reshape(-1)), non_blocking=True)
    return pixels


def _place(output: NDArray[np.uint8] | None, shape: tuple[int, ...], pinned: bool) -> Tensor:
    """Return the host's memory for a clip's frames: the given array, or new memory."""
    if output is not None:
        return torch.from_numpy(output)
    return torch.empty(shape, dtype=torch.uint8, pin_memory=pinned)


def _to_host(
    frames_FHWC: Tensor, counts: Sequence[int], places: Sequence[Tensor] | None
) -> list[NDArray[np.uint8]]:
    """Begin to copy each clip's frames to its place on the host; without places, all of them at once."""
    if places is not None:
        parts = zip(places, frames_FHWC.split(list(counts)), strict=True)
        return [place.copy_(part, non_blocking=True).numpy() for place, part in parts]
    host = frames_FHWC
    if frames_FHWC.device.type == "cuda":
        host = torch.empty(frames_FHWC.shape, dtype=torch.uint8, pin_memory=True)
        host.copy_(frames_FHWC, non_blocking=True)
    return np.split(host.numpy(), np.cumsum(counts)[:-1])


def _packed(images: Sequence[NDArray[np.uint8]], *, pinned: bool) -> Tensor:
    """Return the pictures' bytes, one after another."""
    pixels = torch.empty(sum(image.size for image in images), dtype=torch.uint8, pin_memory=pinned)
    np.concatenate([image_HWC.reshape(-1) for image_HWC in images], out=pixels.numpy())
    return pixels


def to_device(words: NDArray[np.int32], device: torch.device) -> Tensor:
    """Return a plan's words on the device. From pinned memory, a GPU copies them without a wait."""
    tensor = torch.from_numpy(words)
    if device.type == "cuda":
        tensor = tensor.pin_memory()
    return tensor.to(device, non_blocking=True)


def render_part(pixels: Tensor, part: Part, size: tuple[int, int], words: Tensor) -> Tensor:
    """Return the frames of one part, [F,h,w,3] uint8, from its pictures' bytes and the plan's words."""
    integers, numbers = words.long(), words.view(torch.float32)
    atlas_HW3 = make_atlas(make_store(pixels, part, integers), part, integers, numbers)
    x, y = _maps(numbers[part.table].view(part.frames, FRAME_FIELDS), part, size, atlas_HW3.shape)
    sampled_3HW = remap(
        atlas_HW3.permute(2, 0, 1).unsqueeze(0),
        x.view(1, -1, size[1]),
        y.view(1, -1, size[1]),
        mode="bilinear",
        padding_mode="border",
        align_corners=False,
        normalized_coordinates=True,
    )
    # Rounding is half to even, as OpenCV's. A mean of grey levels needs no clamp.
    frames_3FHW = sampled_3HW.round_().view(3, part.frames, *size)
    return frames_3FHW.permute(1, 2, 3, 0).to(torch.uint8, memory_format=torch.contiguous_format)


def render_packed(pixels: Tensor, plan: Plan, words: Tensor, render: PartRenderer = render_part) -> Tensor:
    """Return the frames of all clips, [F,h,w,3] uint8, on the device of `pixels`. No gradients.

    `pixels` are the pictures' bytes (uint8 [P]) in the order of the plan, `words` its numbers on the same
    device.
    """
    with torch.no_grad():
        parts = [render(pixels[part.pixels], part, plan.size, words) for part in plan.parts]
        if not parts:
            return pixels.new_empty((0, *plan.size, 3))
        return parts[0] if len(parts) == 1 else torch.cat(parts)


def make_store(pixels: Tensor, part: Part, integers: Tensor) -> Tensor:
    """Return the pictures' bytes and then the sheets of halved pictures.

    Spare bytes follow, for tiles that read past the end.
    """
    spare = max(2 * TILE, TILE + 2 * part.radius) * 3
    store = pad(pixels, (0, part.store_bytes - len(pixels) + spare))
    for level in part.levels:
        tiles_NHW3 = _read_tiles(store, level.tiling, integers, step=2 * TILE)
        # Four bytes fit 16 bits. Without a dtype torch would add them as 64 bits.
        blocks = tiles_NHW3.view(-1, TILE, 2, TILE, 2, 3).sum((2, 4), dtype=torch.int16)
        halved = blocks.add_(2).bitwise_right_shift_(2)  # the mean, rounded up from a half
        length = level.tiling.rows * level.tiling.columns * TILE**2 * 3
        _lay_out(halved, store[level.first_byte : level.first_byte + length], level.tiling)
    return store


def make_atlas(store: Tensor, part: Part, integers: Tensor, numbers: Tensor) -> Tensor:
    """Return the sheet of layers: [H,W,3] float32 of whole grey levels."""
    tiles_NHW3 = _read_tiles(store, part.atlas, integers, step=TILE, rim=part.radius)
    # The last reference: its memory is free before the atlas takes as much.
    del store
    atlas = torch.empty((part.atlas_rows * TILE, part.atlas.columns * TILE, 3), device=tiles_NHW3.device)
    used = part.atlas.rows * TILE
    place = _places(atlas[:used], part.atlas)
    if part.radius:
        kernels_L2K = numbers[part.kernels].view(-1, 2, 2 * part.radius + 1)
        blurred = _blurred(tiles_NHW3, kernels_L2K, integers[part.atlas.rectangle_of_tile])
        torch.round(blurred.view(place.shape), out=place)
    else:
        place.copy_(tiles_NHW3.view(place.shape))
    # Sampling reads one row further, with weight 0, which would not silence a NaN.
    atlas[used : used + 1].zero_()
    return atlas


def _blurred(tiles_NHW3: Tensor, kernels_L2K: Tensor, layer_N: Tensor) -> Tensor:
    """Blur uint8 tiles with a rim by their layers' kernels, to [N,TILE,TILE,3] float32 before rounding.

    Kernels are even, so half of a sum along x fits 15 bits.
    """
    along_x = (kernels_L2K[:, 0] * 0.5).to(torch.int16).index_select(0, layer_N)
    # Times 2, because the sums along x are halves.
    along_y = (kernels_L2K[:, 1] * (2 / KERNEL_SUM**2)).index_select(0, layer_N)
    first, *others = _neighbours(tiles_NHW3, along_x, axis=2)
    halves = torch.mul(*first)
    for tiles, weights in others:
        halves.addcmul_(tiles, weights)
    first, *others = _neighbours(halves, along_y, axis=1)
    total = torch.addcmul(along_y.new_full((), ROUND_UP), *first)
    for tiles, weights in others:
        total.addcmul_(tiles, weights)
    return total


def _neighbours(tiles: Tensor, kernels_NK: Tensor, axis: int) -> Iterator[tuple[Tensor, Tensor]]:
    """Yield K neighbours of each pixel along an axis, and their weights, which differ from tile to tile."""
    for offset, weights in enumerate(kernels_NK.view(*kernels_NK.shape, 1, 1, 1).unbind(1)):
        yield tiles.narrow(axis, offset, TILE), weights


def _read_tiles(store: Tensor, tiling: Tiling, integers: Tensor, *, step: int, rim: int = 0) -> Tensor:
    """Return [N,side,side,3] uint8, side = step + 2*rim: squares of stored rectangles.

    The edges of a rectangle repeat outwards.

    Neighbouring tiles start `step` pixels apart, `rim` pixels before their own first pixel. Whole runs of a
    row are read at once, with an index per row, not per pixel; the columns outside the rectangle are replaced
    afterwards.
    """
    side = step + 2 * rim
    steps = torch.arange(max(side, tiling.rows, tiling.columns), device=store.device)
    rectangles = integers[tiling.rectangles].view(-1, READ_FIELDS)
    reads_N6 = rectangles.index_select(0, integers[tiling.rectangle_of_tile])
    sheet = reads_N6.view(tiling.rows, tiling.columns, READ_FIELDS).unbind(2)
    row_N1 = steps[: tiling.rows].view(-1, 1).sub(sheet[4]).mul_(step).sub_(rim).view(-1, 1)
    column_N1 = steps[: tiling.columns].sub(sheet[5]).mul_(step).sub_(rim).view(-1, 1)
    first_byte, pitch, last_row, last_column, _, _ = reads_N6.unsqueeze(2).unbind(1)

    zero, along = steps[:1], steps[:side]
    rows_NS = (row_N1 + along).clamp_(zero, last_row)
    run_N1 = column_N1.clamp(zero, last_column)
    starts_NS = torch.addcmul(first_byte + 3 * run_N1, rows_NS, pitch)
    runs = store.unfold(0, 3 * side, 1).index_select(0, starts_NS.flatten())
    columns_NS = (column_N1 + along).clamp_(zero, last_column).sub_(run_N1).mul_(3)
    bytes_NS3 = columns_NS.unsqueeze(2) + steps[:3]
    index = bytes_NS3.view(-1, 1, 3 * side).expand(-1, side, -1)
    return runs.view(-1, side, 3 * side).gather(2, index).view(-1, side, side, 3)


def _lay_out(tiles_NHW3: Tensor, sheet: Tensor, tiling: Tiling) -> None:
    """Write tiles into their places on a sheet."""
    place = _places(sheet, tiling)
    place.copy_(tiles_NHW3.view(place.shape))


def _places(sheet: Tensor, tiling: Tiling) -> Tensor:
    """Return a sheet's memory in the order of its tiles, [rows,columns,TILE,TILE,3]."""
    return sheet.view(tiling.rows, TILE, tiling.columns, TILE, 3).permute(0, 2, 1, 3, 4)


def _maps(table: Tensor, part: Part, size: tuple[int, int], atlas: Sequence[int]) -> tuple[Tensor, Tensor]:
    """Return x and y on the atlas for every output pixel, [F,h,w] float32 in grid_sample's -1..1."""
    h, w = size
    x_W = torch.arange(w, dtype=torch.float32, device=table.device).sub_((w - 1) / 2)
    y_H1 = torch.arange(h, dtype=torch.float32, device=table.device).sub_((h - 1) / 2).view(-1, 1)
    fields = table.view(*table.shape, 1, 1).unbind(1)
    along_x, along_y, at_centre = fields[0:8:3], fields[1:8:3], fields[2:8:3]
    depth = None
    if not part.is_affine:  # else it is 1 everywhere
        depth = along_x[2] * x_W + torch.addcmul(torch.ones_like(y_H1), along_y[2], y_H1)
    grids = []
    for axis in range(2):
        steps = along_x[axis] * x_W + torch.addcmul(at_centre[axis], along_y[axis], y_H1)
        if depth is not None:
            steps.div_(depth)
        steps.round_()
        if not part.is_inside:
            steps.clamp_(fields[8 + axis], fields[10 + axis])
        side = atlas[1 - axis]
        grids.append(torch.add(fields[12 + axis], steps, alpha=2 / (COORDINATE_STEPS * side)))
    return grids[0], grids[1]
