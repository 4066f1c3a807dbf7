"""A made corpus: coloured shapes with captions, as pictures (to be animated) and as videos in which they move
or change.
"""

from __future__ import annotations

import csv
import io
import itertools
import random
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import numpy as np

COLOURS = {
    "red": (220, 40, 40),
    "green": (40, 180, 60),
    "blue": (50, 80, 230),
    "yellow": (235, 215, 50),
    "white": (245, 245, 245),
    "black": (20, 20, 20),
    "purple": (150, 50, 180),
    "orange": (245, 140, 30),
}
SHAPES = ("disc", "stripes")


@dataclass(frozen=True)
class Scene:
    """A disc or stripes on a ground."""

    colour: str
    shape: str
    ground: str

    @property
    def caption(self) -> str:
        """``red disc on blue``."""
        return f"{self.colour} {self.shape} on {self.ground}"


def scenes(colours: int = len(COLOURS)) -> list[Scene]:
    """Every shape in every colour on every other colour: 112, with the first 6 colours 60."""
    names = list(COLOURS)[:colours]
    return [Scene(c, s, g) for c, s, g in itertools.product(names, SHAPES, names) if c != g]


def draw(scene: Scene, seed: int, *, size: int = 64, shift: tuple[float, float] = (0.0, 0.0)) -> np.ndarray:
    """uint8 RGB [size,size,3]; the shape's place and size vary with the seed; `shift` moves it, in fractions."""
    import cv2

    rng = random.Random(seed)
    image = np.empty((size, size, 3), np.uint8)
    image[:] = COLOURS[scene.ground]
    x, y = ((rng.uniform(0.44, 0.56) + s) * size for s in shift)
    if scene.shape == "disc":
        cv2.circle(
            image,
            (round(x), round(y)),
            round(rng.uniform(0.26, 0.32) * size),
            COLOURS[scene.colour],
            -1,
            cv2.LINE_AA,
        )
        return image
    thick, apart = round(rng.uniform(0.07, 0.09) * size), 0.25 * size
    for line in range(-3, 4):
        top = round(y + line * apart)
        image[max(0, top) : max(0, top + thick)] = COLOURS[scene.colour]
    return image


def write_pictures(folder: Path, scenes: Sequence[Scene], *, each: int = 1, size: int = 64) -> Path:
    """``NAME.png`` beside ``NAME.txt``, `each` renderings of every scene."""
    import cv2

    folder.mkdir(parents=True)
    for number, (scene, turn) in enumerate((s, t) for s in scenes for t in range(each)):
        cv2.imwrite(
            str(folder / f"p{number:05d}.png"), draw(scene, 1000 * turn + number, size=size)[..., ::-1]
        )
        (folder / f"p{number:05d}.txt").write_text(scene.caption + "\n")
    return folder


def moving(scene: Scene, seed: int, *, frames: int = 12, size: int = 64) -> np.ndarray:
    """uint8 RGB [T,size,size,3] in which the shapes drift."""
    angle = random.Random(seed).uniform(0, 2 * np.pi)
    steps = np.linspace(-0.05, 0.05, frames)
    return np.stack(
        [draw(scene, seed, size=size, shift=(s * np.cos(angle), s * np.sin(angle))) for s in steps]
    )


def mp4(frames_THWC: np.ndarray, fps: int = 8) -> bytes:
    """H.264 in MP4."""
    import av

    out = io.BytesIO()
    with av.open(out, "w", format="mp4") as container:
        stream = container.add_stream(
            "libx264", rate=Fraction(fps), options={"crf": "16", "preset": "ultrafast"}
        )
        stream.height, stream.width, stream.pix_fmt = frames_THWC.shape[1], frames_THWC.shape[2], "yuv420p"
        for frame in frames_THWC:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(frame, format="rgb24")))
        container.mux(stream.encode(None))
    return out.getvalue()


def write_videos(folder: Path, scenes: Sequence[Scene], *, seed: int = 50_000, size: int = 64) -> Path:
    """``vNNNNN.mp4`` and a ``videos.csv`` of (video, caption). Returns the table."""
    folder.mkdir(parents=True)
    rows = [("video", "caption")]
    for number, scene in enumerate(scenes):
        (folder / f"v{number:05d}.mp4").write_bytes(mp4(moving(scene, seed + number, size=size)))
        rows.append((f"v{number:05d}.mp4", scene.caption))
    return _write_table(folder / "videos.csv", rows)


def changes(colours: int = len(COLOURS)) -> list[tuple[str, str]]:
    """Ordered pairs of colours: 56, of the first 6 colours 30."""
    return list(itertools.permutations(list(COLOURS)[:colours], 2))


def write_changes(
    folder: Path, pairs: Sequence[tuple[str, str]], *, each: int, seed: int, size: int = 64
) -> Path:
    """Videos that are of one colour and then of another, ``red then blue``; shades vary. Returns the table."""
    folder.mkdir(parents=True)
    rows = [("video", "caption")]
    rng = np.random.default_rng(seed)
    for number, (first, then) in enumerate(pair for _ in range(each) for pair in pairs):
        frames = np.empty((12, size, size, 3), np.uint8)
        for half, colour in ((slice(0, 6), first), (slice(6, 12), then)):
            frames[half] = np.clip(np.array(COLOURS[colour]) + rng.integers(-12, 13, 3), 0, 255)
        (folder / f"c{number:05d}.mp4").write_bytes(mp4(frames))
        rows.append((f"c{number:05d}.mp4", f"{first} then {then}"))
    return _write_table(folder / "videos.csv", rows)


def _write_table(path: Path, rows: Sequence[tuple[str, str]]) -> Path:
    with path.open("w", newline="") as stream:
        csv.writer(stream).writerows(rows)
    return path
