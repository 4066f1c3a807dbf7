"""A motion on pictures, to be seen before a million clips are made.

In Python and in notebooks: ``zoetrope.preview("cat.jpg", motion="zoom_in", zoom=1.5)`` displays itself.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, Literal

import numpy as np

from preview.show.path import draw_path
from preview.show.result import Preview, PreviewClip
from preview.show.stills import find_pictures, read_picture
from schemas.errors import ConfigError
from transforms.motions import MotionMix, Trajectory, built_in_motions, draw, sample_trajectory
from transforms.subject.subject import find_subject

MOST_PICTURES = 64
MOST_BYTES = 1_500_000_000  # of all frames together, uncompressed


def preview(
    pictures: str | Sequence[str] | np.ndarray,
    motion: str = "zoom_in",
    *,
    seed: int = 0,
    size: tuple[int, int] = (224, 224),
    frames: int = 12,
    fps: float = 8.0,
    every_motion: bool = False,
    path: bool = False,
    progress: Callable[[int, int], None] = lambda made, total: None,
    focus: Literal["any", "subject"] = "any",
    **parameters: Any,
) -> Preview:
    """Render one motion (or composition), or every built-in motion, on one or several pictures.

    `pictures` are files, folders, globs or URIs, or one uint8 RGB image [H,W,3]; `size` is (H, W) of the
    frames in pixels. Keywords are parameters of the motion (``zoom=1.5``, or a pair to draw from). `path`
    draws the camera's path as well. `focus` "subject" keeps what is salient in view, as `motions.focus` of a
    config does. `progress` is called with the clips that are made and all clips, after each. The same
    arguments give the same pixels. Raises ConfigError (a ValueError) for pictures that cannot be read,
    motions that cannot be drawn, and clips that need too much memory.
    """
    named = _named_pictures(pictures)
    names = list(built_in_motions()) if every_motion else [motion]
    if every_motion and parameters:
        raise ConfigError(
            f"{min(parameters)}: parameters go with one motion; leave them out to see every motion"
        )
    for name in names:  # a wrong parameter is reported before any picture is opened
        sample_trajectory(
            name, seed=seed, image_size=(480, 640), frames=frames, size=size, fps=fps, parameters=parameters
        )
    _check_memory(len(named) * len(names), frames, size)
    clips: list[PreviewClip] = []
    for label, source in named:
        image_HWC = source if isinstance(source, np.ndarray) else read_picture(source).image_HWC
        subject = None
        if focus == "subject":
            subject = find_subject((), image_HWC.shape[:2], partial(np.asarray, image_HWC))
        for name in names:
            mix = MotionMix.make({"focus": focus, "mix": [{"name": name, **parameters}]})
            drawn = draw(
                mix,
                seed=seed,
                image_size=image_HWC.shape[:2],
                frames=frames,
                size=size,
                fps=fps,
                subject=subject,
            )
            shown_as = _label(name, label, motions=len(names), pictures=len(named))
            clips.append(make_preview_clip(shown_as, image_HWC, drawn, size=size, path=path))
            progress(len(clips), len(named) * len(names))
    return Preview(tuple(clips), fps)


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


def _named_pictures(pictures: str | Sequence[str] | np.ndarray) -> list[tuple[str, str | np.ndarray]]:
    if isinstance(pictures, np.ndarray):
        if pictures.ndim != 3 or pictures.shape[2] != 3 or pictures.dtype != np.uint8:
            raise ConfigError(
                f"picture: an array must be uint8 [H,W,3], got {pictures.dtype} {pictures.shape}"
            )
        return [("picture", pictures)]
    names = [pictures] if isinstance(pictures, str) else [str(p) for p in pictures]
    if not names:
        raise ConfigError("no picture: give at least one file, folder or glob")
    return [(uri.rstrip("/").rsplit("/", 1)[-1], uri) for uri in find_pictures(names, most=MOST_PICTURES)]


def _check_memory(clips: int, frames: int, size: tuple[int, int]) -> None:
    needed = 2 * clips * frames * size[0] * size[1] * 3
    if needed > MOST_BYTES:
        raise ConfigError(
            f"{clips} clips of {frames} frames of {size[1]}x{size[0]} take {needed / 1e9:.1f} GB, over "
            f"{MOST_BYTES / 1e9:.1f}; give fewer pictures or frames, or a smaller size"
        )
