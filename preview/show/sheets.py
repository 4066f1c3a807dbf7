"""Several frames or clips side by side: contact sheets (still) and grids (moving), with labels."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from transforms.stores.picking import sample_indices

GAP = 4  # pixels between tiles and around a labelled sheet
LABEL = 20  # height of a label line, pixels
PAPER, INK = (248, 248, 246), (28, 29, 31)
STRIP_FRAMES = 8  # of a clip in a sheet of several clips


@dataclass(frozen=True)
class Cell:
    """One clip of a sheet."""

    label: str
    frames_THWC: np.ndarray  # uint8 RGB
    values: str = ""  # further words for sheets: the motion's parameters


def contact_sheet(
    frames_THWC: np.ndarray, *, columns: int | None = None, names: Sequence[str] = (), title: str = ""
) -> np.ndarray:
    """Put all frames of a clip in reading order, GAP pixels apart, unscaled: uint8 RGB [H',W',3].

    Tile i is at row i // columns, column i % columns. By default the sheet is as square as possible. `names`
    are written under the frames, and `title` under all.
    """
    count = len(frames_THWC)
    columns = columns or int(np.ceil(np.sqrt(count * frames_THWC.shape[1] / frames_THWC.shape[2])))
    tiles = list(frames_THWC)
    if names:
        tiles = [labelled(tile, name) for tile, name in zip(tiles, names, strict=True)]
    sheet = _tile(tiles, min(max(columns, 1), count))
    if title:
        return labelled(sheet, title)
    return sheet


def strips(cells: Sequence[Cell], *, most: int = STRIP_FRAMES) -> np.ndarray:
    """Put each clip in a labelled row of at most `most` frames, evenly spaced: uint8 RGB [H',W',3].

    The number of each frame is written under it.
    """
    rows = []
    for cell in cells:
        chosen = sample_indices(len(cell.frames_THWC), most)
        tiles = [labelled(cell.frames_THWC[i], str(i)) for i in chosen]
        rows.append(labelled(_tile(tiles, len(tiles)), f"{cell.label} {cell.values}".strip()))
    return _framed(_tile(rows, 1))


def moving_grid(cells: Sequence[Cell], *, columns: int | None = None) -> np.ndarray:
    """All clips at once, labelled: uint8 RGB [T,H',W',3].

    A clip shorter than the longest rests on its last frame.
    """
    frames = max(len(cell.frames_THWC) for cell in cells)
    columns = columns or int(np.ceil(np.sqrt(len(cells))))
    grids = []
    for t in range(frames):
        tiles = [labelled(cell.frames_THWC[min(t, len(cell.frames_THWC) - 1)], cell.label) for cell in cells]
        grids.append(_framed(_tile(tiles, min(columns, len(cells)))))
    return np.stack(grids)


def labelled(image_HWC: np.ndarray, label: str) -> np.ndarray:
    """Add a line of text under the image, cut to its width."""
    height, width = image_HWC.shape[:2]
    paper = Image.new("RGB", (width, height + LABEL), PAPER)
    paper.paste(Image.fromarray(image_HWC), (0, 0))
    draw, font = ImageDraw.Draw(paper), ImageFont.load_default(13)
    text = label
    while len(text) > 1 and draw.textlength(text, font=font) > width:
        text = text[:-2].rstrip() + "…"
    draw.text((0, height + 2), text, fill=INK, font=font)
    return np.asarray(paper)


def _tile(tiles: Sequence[np.ndarray], columns: int) -> np.ndarray:
    """Put tiles in reading order; a column is as wide, and a row as high, as its largest tile."""
    widths = [max(tile.shape[1] for tile in tiles[c::columns]) for c in range(columns)]
    heights = [max(tile.shape[0] for tile in tiles[r : r + columns]) for r in range(0, len(tiles), columns)]
    sheet = np.empty(
        (sum(heights) + GAP * (len(heights) - 1), sum(widths) + GAP * (columns - 1), 3), np.uint8
    )
    sheet[:] = PAPER
    for index, tile in enumerate(tiles):
        row, column = divmod(index, columns)
        y, x = sum(heights[:row]) + GAP * row, sum(widths[:column]) + GAP * column
        sheet[y : y + tile.shape[0], x : x + tile.shape[1]] = tile
    return sheet


def _framed(image_HWC: np.ndarray) -> np.ndarray:
    height, width = image_HWC.shape[:2]
    out = np.empty((height + 2 * GAP, width + 2 * GAP, 3), np.uint8)
    out[:] = PAPER
    out[GAP:-GAP, GAP:-GAP] = image_HWC
    return out
