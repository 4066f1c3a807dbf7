"""A motion on pictures, to be seen before a million clips are made.

In Python and in notebooks: ``zoetrope.preview("cat.jpg", motion="zoom_in", zoom=1.5)`` displays itself.
"""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any, Literal

import numpy as np
from PIL import Image, ImageOps

from preview.show.path import draw_path
from preview.show.result import Preview, PreviewClip
from preview.show.stills import find_pictures, read_picture
from schemas.errors import ConfigError
from transforms.motions import MotionMix, Trajectory, built_in_motions, draw, sample_trajectory
from transforms.motions.composition import FPS
from transforms.subject.subject import find_subject

MOST_PICTURES = 64
MOST_BYTES = 600_000_000  # of all frames together, uncompressed; twice that with their grid
SIDE = 224  # of a frame, pixels
SHEET = 1920  # pixels: a grid of many clips is not wider, unless a size is given
SMALLEST = 64  # pixels: frames of many clips are not smaller

Picture = str | os.PathLike[str] | np.ndarray | Image.Image
Size = int | tuple[int, int]


def preview(
    pictures: Picture | Sequence[Picture],
    motion: str = "zoom_in",
    *,
    seed: int = 0,
    size: Size | None = None,
    frames: int = 12,
    fps: float = FPS,
    every_motion: bool = False,
    path: bool = False,
    progress: Callable[[int, int], None] = lambda made, total: None,
    focus: Literal["any", "subject"] = "any",
    **parameters: Any,
) -> Preview:
    """Render one motion (or composition), or every built-in motion, on one or several pictures.

    `pictures` are files, folders, globs, URIs, uint8 RGB arrays [H,W,3] or PIL images: one or several. `size`
    of the frames is (H, W) or one number for both, in pixels. By default it is 224, and less for many clips,
    so that they fit a screen. Keywords are parameters of the motion (``zoom=1.5``, or a pair to draw from).
    `path` draws the camera's path as well. `focus` "subject" keeps what is salient in view, as
    `motions.focus` of a config does. `progress` is called with the clips that are made and all clips, after
    each. The same arguments give the same pixels. Raises ConfigError (a ValueError) for pictures that cannot
    be read, motions that cannot be drawn, and clips that need too much memory.
    """
    named = _named_pictures(pictures)
    names = _motions(motion, parameters, every_motion=every_motion)
    height, width = _frame_size(size, len(named) * len(names), path=path)
    shape: dict[str, Any] = {"frames": frames, "size": (height, width), "fps": fps}
    for name in names:  # a wrong parameter is reported before any picture is opened
        sample_trajectory(name, seed=seed, image_size=(480, 640), parameters=parameters, **shape)
    _check_memory(len(named) * len(names), frames, (height, width))
    clips: list[PreviewClip] = []
    for label, source in named:
        image_HWC = _pixels(source)
        subject = None
        if focus == "subject":
            subject = find_subject((), image_HWC.shape[:2], partial(np.asarray, image_HWC))
        for name in names:
            mix = MotionMix.make({"focus": focus, "mix": [{"name": name, **parameters}]})
            drawn = draw(mix, seed=seed, image_size=image_HWC.shape[:2], subject=subject, **shape)
            shown_as = _label(name, label, motions=len(names), pictures=len(named))
            clips.append(make_preview_clip(shown_as, image_HWC, drawn, size=(height, width), path=path))
            progress(len(clips), len(named) * len(names))
    return Preview(tuple(clips), fps)


def _motions(motion: str, parameters: Mapping[str, Any], *, every_motion: bool) -> list[str]:
    """Return the motions to show: this one, or every built-in one."""
    if not every_motion:
        return [motion]
    if parameters:
        raise ConfigError(
            f"{min(parameters)}: parameters go with one motion; leave them out to see every motion"
        )
    return list(built_in_motions())


def _pixels(source: str | np.ndarray) -> np.ndarray:
    """Read a picture, unless it is an array already."""
    if isinstance(source, str):
        return read_picture(source).image_HWC
    return source


def _frame_size(size: Size | None, clips: int, *, path: bool) -> tuple[int, int]:
    """Height and width of the frames: as given, or so that a grid of all clips fits a screen."""
    if isinstance(size, int):
        return size, size
    if size is not None:
        return size
    columns = math.ceil(math.sqrt(clips))
    if path:
        columns = 2
    side = min(SIDE, max(SMALLEST, SHEET // columns))
    return side, side


def _label(motion: str, picture: str, *, motions: int, pictures: int) -> str:
    """Name a clip by what differs between the clips."""
    if motions == 1:
        return picture
    if pictures == 1:
        return motion
    return f"{motion}, {picture}"


def make_preview_clip(
    label: str, image_HWC: np.ndarray, drawn: Trajectory, *, size: tuple[int, int], path: bool = False
) -> PreviewClip:
    """Render a drawn trajectory. `size` is (H, W) of the frames, pixels."""
    from transforms.rendering.render import render

    frames_THWC = render(image_HWC, drawn.quads_T42, size=size)
    if not path:
        return PreviewClip(label, frames_THWC, drawn)
    return PreviewClip(
        label, frames_THWC, drawn, draw_path(image_HWC, drawn.quads_T42, longest=max(480, *size))
    )


def _named_pictures(pictures: Picture | Sequence[Picture]) -> list[tuple[str, str | np.ndarray]]:
    """Return each picture with its name: those of files as URIs, others as arrays."""
    if isinstance(pictures, str | os.PathLike | np.ndarray | Image.Image):
        pictures = [pictures]
    named: list[tuple[str, str | np.ndarray]] = []
    files: dict[str, None] = {}
    for picture in pictures:
        if isinstance(picture, np.ndarray | Image.Image):
            named.append((f"picture {len(named) + 1}", _as_array(picture)))
            continue
        found = [uri for uri in find_pictures([str(picture)], most=MOST_PICTURES) if uri not in files]
        files.update(dict.fromkeys(found))
        named += [(uri.rstrip("/").rsplit("/", 1)[-1], uri) for uri in found]
    if not named:
        raise ConfigError("no picture: give at least one file, folder or glob")
    if len(named) > MOST_PICTURES:
        raise ConfigError(f"{len(named)} pictures: give at most {MOST_PICTURES}")
    return named


def _as_array(picture: np.ndarray | Image.Image) -> np.ndarray:
    if isinstance(picture, Image.Image):
        return np.asarray(ImageOps.exif_transpose(picture).convert("RGB"))
    if picture.ndim != 3 or picture.shape[2] != 3 or picture.dtype != np.uint8:
        raise ConfigError(f"picture: an array must be uint8 [H,W,3], got {picture.dtype} {picture.shape}")
    return picture


def _check_memory(clips: int, frames: int, size: tuple[int, int]) -> None:
    needed = 2 * clips * frames * size[0] * size[1] * 3
    if needed > MOST_BYTES:
        raise ConfigError(
            f"{clips} clips of {frames} frames of {size[1]}x{size[0]} take {needed / 1e9:.1f} GB, over "
            f"{MOST_BYTES / 1e9:.1f}; give fewer pictures or frames, or a smaller size"
        )
