"""Two Triton kernels that do what `kornia.render_part` does in about a hundred operators.

`renderer="triton"` asks for them; kornia is their reference. The first kernel cuts and blurs the layers, the
second warps them into frames. Both compute grey levels in whole numbers, so only the rounding of a coordinate
to 1/1024 pixel can differ from kornia's. A lane makes one pixel. Offsets into the plan's words change with
every batch and must not be compiled into a kernel, hence `do_not_specialize`. The number of taps is compiled
in: batches have few different ones. Grids have one axis, because CUDA limits the others to 65,535 programs.
"""

from __future__ import annotations

import os

import torch
import triton
import triton.language as tl
from torch import Tensor

from transforms.rendering.kernels import KERNEL_SUM
from transforms.rendering.kornia import make_store
from transforms.rendering.packing import TILE
from transforms.rendering.parts import COORDINATE_STEPS, FRAME_FIELDS, READ_FIELDS, Part

BLOCK = 512  # pixels that one program makes
SIDE = tl.constexpr(TILE)
SUM = tl.constexpr(KERNEL_SUM)
STEPS = tl.constexpr(COORDINATE_STEPS)
OF_READ, OF_FRAME = tl.constexpr(READ_FIELDS), tl.constexpr(FRAME_FIELDS)


def interpreted() -> bool:
    """Are kernels run by Triton's interpreter, which needs no GPU?"""
    return os.environ.get("TRITON_INTERPRET") == "1"


def render_part(pixels: Tensor, part: Part, size: tuple[int, int], words: Tensor) -> Tensor:
    """Return the part's frames, [F,h,w,3] uint8. `words` are the plan's, int32 on the device of `pixels`."""
    store = make_store(pixels, part, words.long()) if part.levels else pixels
    numbers = words.view(torch.float32)
    height, width = part.atlas_rows * TILE, part.atlas.columns * TILE
    atlas = torch.empty((height, width, 3), dtype=torch.uint8, device=pixels.device)
    made = part.atlas.rows * TILE * width
    places = (part.atlas.rectangle_of_tile.start, part.atlas.rectangles.start, part.kernels.start)
    frames = torch.empty((part.frames, *size, 3), dtype=torch.uint8, device=pixels.device)
    blocks = triton.cdiv(size[0] * size[1], BLOCK)
    exact = {"BLOCK": BLOCK, "enable_fp_fusion": False}
    with torch.cuda.device_of(pixels):  # Triton launches on the current device
        _layers[(triton.cdiv(made, BLOCK),)](
            store, words, numbers, atlas, *places, width, made, TAPS=2 * part.radius + 1, **exact
        )
        _warp[(part.frames * blocks,)](
            atlas, numbers, frames, part.table.start, height, width, *size, blocks, **exact
        )
    return frames


@triton.jit(do_not_specialize=["owners", "rectangles", "kernels", "width", "made"])
def _layers(
    store, words, numbers, atlas, owners, rectangles, kernels, width, made,
    TAPS: tl.constexpr, BLOCK: tl.constexpr,
):  # fmt: skip
    """Make the atlas: each pixel a sum over TAPS² neighbours, rounded once."""
    at = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    inside = at < made
    at = tl.where(inside, at, 0)
    x, y = at % width, at // width
    layer = tl.load(words + owners + (y // SIDE) * (width // SIDE) + x // SIDE)
    read = words + rectangles + layer * OF_READ
    first, pitch, last_y, last_x = tl.load(read), tl.load(read + 1), tl.load(read + 2), tl.load(read + 3)
    y -= tl.load(read + 4) * SIDE
    x -= tl.load(read + 5) * SIDE
    weights = numbers + kernels + layer * 2 * TAPS
    for colour in tl.static_range(3):
        total = tl.full((BLOCK,), 0, tl.int32)
        for down in range(TAPS):
            row = store + first + tl.minimum(tl.maximum(y + down - TAPS // 2, 0), last_y) * pitch + colour
            along = tl.full((BLOCK,), 0, tl.int32)
            for across in range(TAPS):
                column = tl.minimum(tl.maximum(x + across - TAPS // 2, 0), last_x)
                along += tl.load(weights + across).to(tl.int32) * tl.load(row + column * 3).to(tl.int32)
            total += tl.load(weights + TAPS + down).to(tl.int32) * along
        # Kernels are even, so no sum is half-way between two grey levels.
        value = (total + SUM * SUM // 2) // (SUM * SUM)
        tl.store(atlas + at * 3 + colour, value.to(tl.uint8), mask=inside)


@triton.jit(do_not_specialize=["table", "height", "width", "h", "w", "blocks"])
def _warp(atlas, numbers, frames, table, height, width, h, w, blocks, BLOCK: tl.constexpr):
    """Sample one block of a frame: bilinear, with weights in whole steps."""
    frame = tl.program_id(0) // blocks
    at = tl.program_id(0) % blocks * BLOCK + tl.arange(0, BLOCK)
    inside = at < h * w
    x = (at % w).to(tl.float32) - (w - 1) / 2
    y = (at // w).to(tl.float32) - (h - 1) / 2
    of = numbers + table + frame * OF_FRAME
    depth = tl.load(of + 6) * x + (1.0 + tl.load(of + 7) * y)
    x_steps = tl.div_rn(tl.load(of) * x + (tl.load(of + 2) + tl.load(of + 1) * y), depth)
    y_steps = tl.div_rn(tl.load(of + 3) * x + (tl.load(of + 5) + tl.load(of + 4) * y), depth)
    left, right = _position(x_steps, of, width)
    top, low = _position(y_steps, of + 1, height)
    x0, x1 = left // STEPS * 3, tl.minimum(left // STEPS + 1, width - 1) * 3
    y0, y1 = top // STEPS * width * 3, tl.minimum(top // STEPS + 1, height - 1) * width * 3
    made = frames + frame.to(tl.int64) * (h * w * 3)  # a clip of many large frames exceeds 2^31 bytes
    for colour in tl.static_range(3):
        above = _mix(atlas + y0 + colour, x0, x1, right, inside)
        below = _mix(atlas + y1 + colour, x0, x1, right, inside)
        total = (STEPS - low) * above + low * below
        # Half-way between two grey levels the even one is taken, as torch rounds.
        odd = total // (STEPS * STEPS) % 2
        value = (total + STEPS * STEPS // 2 - 1 + odd) // (STEPS * STEPS)
        tl.store(made + at * 3 + colour, value.to(tl.uint8), mask=inside)


@triton.jit
def _position(steps, of, side):
    """Return the position on the atlas in whole steps, and how far it is from the pixel before it."""
    bounded = tl.minimum(tl.maximum(tl.floor(steps + 0.5), tl.load(of + 8)), tl.load(of + 10))
    origin = ((tl.load(of + 12) + 1.0) * side - 1.0) / 2  # a pixel; powers of two keep this exact
    position = origin.to(tl.int32) * STEPS + bounded.to(tl.int32)
    return position, position % STEPS


@triton.jit
def _mix(row, x0, x1, share, inside):
    """Return two neighbours of a row, weighted in steps."""
    one = tl.load(row + x0, mask=inside, other=0).to(tl.int32)
    other = tl.load(row + x1, mask=inside, other=0).to(tl.int32)
    return (STEPS - share) * one + share * other
