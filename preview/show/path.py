"""The camera path drawn over the still: outlines of the views, coloured by time, and their centres."""

from __future__ import annotations

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from transforms.motions.trajectory import view_centres

LEGEND = 34  # height of the legend under the picture, pixels
MOST_OUTLINES = 24  # more would hide the picture
SMOOTH = 2  # lines are drawn this much larger, then reduced: Pillow's lines have no smooth edges
# Dark blue, magenta, orange, pale yellow (from matplotlib's "plasma"): they differ in grey and for
# colour-blind eyes.
TIME_COLOURS = ((13, 8, 135), (126, 3, 168), (204, 71, 120), (248, 149, 64), (240, 249, 33))


def time_colour(progress: float) -> tuple[int, int, int]:
    """The colour of a time, 0 = first frame to 1 = last."""
    at = min(max(progress, 0.0), 1.0) * (len(TIME_COLOURS) - 1)
    low = min(int(at), len(TIME_COLOURS) - 2)
    pair = np.asarray(TIME_COLOURS[low : low + 2], float)
    red, green, blue = (round(c) for c in pair[0] + (at - low) * (pair[1] - pair[0]))
    return red, green, blue


def draw_path(
    image_HWC: np.ndarray,
    quads_T42: np.ndarray,
    *,
    longest: int = 720,
    now: int | None = None,
    legend: bool = True,
) -> np.ndarray:
    """Draw the outlines of the views over the picture, dimmed and shrunk to `longest` pixels.

    Returns uint8 RGB [H',W',3].

    Outlines run from dark blue (first frame) to yellow (last); the first and the last are the thickest. The
    dots are the centres of the views. `now` draws the outline of one frame in white on top. The legend adds
    LEGEND rows below.
    """
    height, width = image_HWC.shape[:2]
    scale = min(1.0, longest / max(height, width))
    size = max(1, round(width * scale)), max(1, round(height * scale))
    still = Image.fromarray(image_HWC).resize(size, Image.Resampling.BOX).point(lambda v: int(v * 0.62 + 20))
    big = still.resize((size[0] * SMOOTH, size[1] * SMOOTH), Image.Resampling.BILINEAR)
    _draw_views(ImageDraw.Draw(big), quads_T42, big.size, now)
    drawn = big.resize(size, Image.Resampling.BOX)
    if not legend:
        return np.asarray(drawn)
    paper = Image.new("RGB", (size[0], size[1] + LEGEND), (248, 248, 246))
    paper.paste(drawn, (0, 0))
    _draw_legend(paper, size, len(quads_T42))
    return np.asarray(paper)


def _draw_views(
    draw: ImageDraw.ImageDraw, quads_T42: np.ndarray, size: tuple[int, int], now: int | None
) -> None:
    frames = len(quads_T42)
    span = np.asarray(size, float) - 1
    shown = np.unique(np.linspace(0, frames - 1, min(frames, MOST_OUTLINES)).round().astype(int))
    thin, thick = SMOOTH * 2, SMOOTH * 4
    ends = (0, frames - 1)
    for t in shown:
        line = thin
        if t in ends:
            line = thick
        _outline(draw, quads_T42[t] * span, time_colour(t / max(frames - 1, 1)), line)
    for t, (x, y) in enumerate(view_centres(quads_T42) * span):
        radius = SMOOTH * 3
        if t in ends:
            radius = SMOOTH * 5
        box = (x - radius, y - radius, x + radius, y + radius)
        draw.ellipse(box, fill=time_colour(t / max(frames - 1, 1)), outline=(255, 255, 255), width=SMOOTH)
    if now is not None:
        _outline(draw, quads_T42[now] * span, (255, 255, 255), thick)


def _outline(
    draw: ImageDraw.ImageDraw, corners_42: np.ndarray, colour: tuple[int, int, int], width: int
) -> None:
    points = [(float(x), float(y)) for x, y in corners_42]
    draw.line([*points, points[0], points[1]], fill=colour, width=width, joint="curve")


def _draw_legend(paper: Image.Image, size: tuple[int, int], frames: int) -> None:
    draw, font = ImageDraw.Draw(paper), ImageFont.load_default(13)
    top = size[1] + 10
    first, last = "frame 0", f"frame {frames - 1}"
    left = 8 + draw.textlength(first, font=font) + 8
    right = size[0] - 8 - draw.textlength(last, font=font) - 8
    draw.text((8, top - 2), first, fill=(28, 29, 31), font=font)
    draw.text((right + 8, top - 2), last, fill=(28, 29, 31), font=font)
    for x in range(int(left), int(right)):
        draw.line([(x, top), (x, top + 12)], fill=time_colour((x - left) / max(right - left, 1)))
