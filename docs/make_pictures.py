"""Make the pictures of docs/motions.md from real photographs, through the code that makes clips: `make docs`.

Writes docs/pictures/MOTION.gif (the still with the camera's view on it, beside what the camera sees) for
every built-in motion and some compositions, and docs/pictures/motions.png, a sheet of all of them on one
photograph.
"""

from __future__ import annotations

import sys
from functools import partial
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont
from skimage import data

from preview.show.path import time_colour
from transforms.motions import MotionMix, built_in_motions, draw, sample_motion
from transforms.rendering.render import render
from transforms.subject.subject import Subject, find_subject

FOLDER = Path(__file__).parent / "pictures"
COMBINATIONS = ("rotate_cw+zoom_in", "pan_left+crop_jitter", "zoom_out+crop_jitter")
LATER = (
    "held",
    "zoom_in>pan_left",
    "zoom_in|pan_left",
    "keyframes",
)  # last, so that the seeds of the others stay
SHOWN: dict[
    str, dict[str, float]
] = {  # drawn a little stronger than by default, so that a small picture shows them
    "held": {"zoom": 1.6},
    "zoom_in>pan_left": {"zoom": 1.7, "distance": 0.5},
    "zoom_in|pan_left": {"zoom": 1.7, "distance": 0.5},
    "zoom_in": {"zoom": 1.8},
    "zoom_out": {"zoom": 1.8},
    "rotate_cw": {"degrees": 20.0},
    "rotate_ccw": {"degrees": 20.0},
    "ken_burns": {"zoom": 1.5, "distance": 0.3, "direction": 200.0},
    "crop_jitter": {"amplitude": 0.04, "roll": 1.5},
    "tilt": {"degrees": 40.0, "direction": 315.0},
    **{f"tilt_{way}": {"degrees": 40.0} for way in ("left", "right", "up", "down")},
    **{name: {"distance": 0.35} for name in built_in_motions() if name.startswith("pan_")},
}
FRAMES, FPS, HEIGHT, GAP = 16, 10.0, 112, 6
PER_ROW = 3
STILL = HEIGHT * 3 // 2  # width of a still in the sheet
FOCUS = (  # photograph, motion, seed
    (data.coffee(), "zoom_in", 3),
    (data.rocket(), "pan_right", 8),
    (data.chelsea(), "ken_burns", 7),
)
INK, PAPER = (40, 40, 40), (255, 255, 255)


def main() -> int:
    """Write every picture; returns 0."""
    FOLDER.mkdir(exist_ok=True)
    photographs = [data.coffee(), data.astronaut(), data.chelsea(), data.rocket()]
    cells = []
    for i, name in enumerate(shown()):
        image_HWC = np.ascontiguousarray(photographs[i % len(photographs)])
        quads_T42 = _quads(name, image_HWC, seed=11 + i)
        frames_THWC = render(image_HWC, quads_T42, size=(HEIGHT, HEIGHT))
        _save_gif(FOLDER / f"{file_name(name)}.gif", image_HWC, quads_T42, frames_THWC)
        cells.append(_cell(name, photographs[0], seed=11 + i))
    _save_sheet(FOLDER / "motions.png", cells)
    _save_focus(FOLDER / "focus.png")
    sizes = {path.name: path.stat().st_size for path in sorted(FOLDER.iterdir())}
    print(
        f"{len(sizes)} pictures in {FOLDER}, {sum(sizes.values()) / 1e6:.1f} MB, largest "
        f"{max(sizes, key=lambda k: sizes[k])}"
    )
    return 0


def shown() -> list[str]:
    """List the motions and combinations that have a picture, in the order of the sheet."""
    return [*(name for name in built_in_motions() if name not in LATER), *COMBINATIONS, *LATER]


def file_name(name: str) -> str:
    """Return a motion's name as a file's: `>` and `|` mean other things to shells and some file systems."""
    return name.replace(">", "-then-").replace("|", "-cut-")


def _quads(name: str, image_HWC: np.ndarray, seed: int) -> np.ndarray:
    parameters = SHOWN.get(name, {})
    return sample_motion(
        name,
        seed=seed,
        image_size=image_HWC.shape[:2],
        frames=FRAMES,
        fps=FPS,
        size=(HEIGHT, HEIGHT),
        parameters=parameters,
    )


def _still(image_HWC: np.ndarray, height: int) -> Image.Image:
    image = Image.fromarray(image_HWC)
    return image.resize((round(image.width * height / image.height), height), Image.Resampling.LANCZOS)


def _outline(still: Image.Image, quad_42: np.ndarray, colour: tuple[int, int, int], width: int = 2) -> None:
    points = [(x * (still.width - 1), y * (still.height - 1)) for x, y in quad_42.tolist()]
    ImageDraw.Draw(still).line([*points, points[0], points[1]], fill=colour, width=width, joint="curve")


def _save_gif(path: Path, image_HWC: np.ndarray, quads_T42: np.ndarray, frames_THWC: np.ndarray) -> None:
    """Save the still with the moving view on the left, and the clip on the right.

    One palette serves all frames, so that the file is small.
    """
    pages = []
    for quad_42, frame_HWC in zip(quads_T42, frames_THWC, strict=True):
        still = _still(image_HWC, HEIGHT)
        _outline(still, quad_42, (255, 60, 30))
        page = Image.new("RGB", (still.width + GAP + HEIGHT, HEIGHT), PAPER)
        page.paste(still, (0, 0))
        page.paste(Image.fromarray(frame_HWC), (still.width + GAP, 0))
        pages.append(page)
    strip = Image.fromarray(np.concatenate([np.asarray(page) for page in pages[::3]]))
    palette = strip.quantize(64, method=Image.Quantize.MEDIANCUT)
    pages = [page.quantize(palette=palette, dither=Image.Dither.NONE) for page in pages]
    times = [
        400,
        *[round(1000 / FPS)] * (FRAMES - 2),
        700,
    ]  # a rest at either end, so that the loop can be read
    pages[0].save(path, save_all=True, append_images=pages[1:], duration=times, loop=0, optimize=True)


def _cell(name: str, image_HWC: np.ndarray, seed: int) -> Image.Image:
    """Title, the still with the views from first (dark blue) to last (yellow), and the first, middle and last frame."""
    quads_T42 = _quads(name, image_HWC, seed)
    frames_THWC = render(image_HWC, quads_T42, size=(HEIGHT, HEIGHT))
    still = _still(image_HWC, HEIGHT)
    for i in range(0, FRAMES, 3):
        _outline(still, quads_T42[i], time_colour(i / (FRAMES - 1)))
    cell = Image.new("RGB", (STILL + 3 * (HEIGHT + GAP), HEIGHT + 22), PAPER)
    ImageDraw.Draw(cell).text((0, 2), name, fill=INK, font=ImageFont.load_default(size=14))
    cell.paste(still, (STILL - still.width, 22))
    for column, frame in enumerate((0, FRAMES // 2, FRAMES - 1)):
        cell.paste(Image.fromarray(frames_THWC[frame]), (STILL + GAP + column * (HEIGHT + GAP), 22))
    return cell


def _save_focus(path: Path) -> None:
    """One row per photograph: the views without a focus and the last frame, then the same with one."""
    shape = {"frames": FRAMES, "fps": FPS, "size": (HEIGHT, HEIGHT)}
    rows = []
    for image_HWC, motion, seed in FOCUS:
        subject = find_subject((), image_HWC.shape[:2], partial(np.asarray, image_HWC))
        assert subject is not None
        row = []
        for focus in ("any", "subject"):
            mix = MotionMix.make({"focus": focus, "mix": [motion]})
            drawn = draw(mix, seed=seed, image_size=image_HWC.shape[:2], subject=subject, **shape)
            held = 100 * subject.held(drawn.quads_T42).min()
            row.append(_views(f"focus: {focus}, {held:.0f} % held", image_HWC, drawn.quads_T42, subject))
        rows.append(np.concatenate(row, axis=1))
    Image.fromarray(np.concatenate(rows)).quantize(200, method=Image.Quantize.MEDIANCUT).save(
        path, optimize=True
    )


def _views(title: str, image_HWC: np.ndarray, quads_T42: np.ndarray, subject: Subject) -> np.ndarray:
    """Title, the still with the subject bright and the views over it, and the last frame."""
    weights = Image.fromarray((subject.weights_RC > 0).astype(np.uint8) * 255)
    still = _still(image_HWC, HEIGHT)
    shade = Image.blend(still, Image.new("RGB", still.size), 0.65)
    still = Image.composite(still, shade, weights.resize(still.size))
    for i in range(0, FRAMES, 3):
        _outline(still, quads_T42[i], time_colour(i / (FRAMES - 1)))
    cell = Image.new("RGB", (STILL + 2 * (HEIGHT + GAP), HEIGHT + 28), PAPER)
    ImageDraw.Draw(cell).text((GAP, 2), title, fill=INK, font=ImageFont.load_default(size=14))
    cell.paste(still, (GAP, 22))
    last_HWC = render(image_HWC, quads_T42[-1:], size=(HEIGHT, HEIGHT))[0]
    cell.paste(Image.fromarray(last_HWC), (still.width + 2 * GAP, 22))
    return np.asarray(cell)


def _save_sheet(path: Path, cells: list[Image.Image]) -> None:
    width, height = cells[0].width + 4 * GAP, cells[0].height + 2 * GAP
    rows = -(-len(cells) // PER_ROW)
    sheet = Image.new("RGB", (PER_ROW * width, rows * height), PAPER)
    for i, cell in enumerate(cells):
        sheet.paste(cell, (2 * GAP + i % PER_ROW * width, GAP + i // PER_ROW * height))
    sheet.quantize(200, method=Image.Quantize.MEDIANCUT).save(path, optimize=True)


if __name__ == "__main__":
    sys.exit(main())
