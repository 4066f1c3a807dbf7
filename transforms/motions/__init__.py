"""Camera motions: draw one by its name, draw from a mix, and make new ones.

`sample_motion` draws one motion by name and `draw` one of a `MotionMix`; `motion`, `Parameter` and `Camera`
make new ones.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from schemas.errors import ConfigError
from transforms.motions.camera import Camera
from transforms.motions.choice import MotionChoice
from transforms.motions.composition import FPS, check_shape, clip_rng, make_plan
from transforms.motions.lookup import built_in_motions, find_motion
from transforms.motions.mix import MotionMix, draw
from transforms.motions.motion import TIMING, Motion, Parameter, motion
from transforms.motions.trajectory import Trajectory, curves, view_sizes, zoom_of

__all__ = [
    "TIMING",
    "Camera",
    "Motion",
    "MotionChoice",
    "MotionMix",
    "Parameter",
    "Trajectory",
    "built_in_motions",
    "curves",
    "draw",
    "find_motion",
    "motion",
    "sample_motion",
    "sample_trajectory",
    "view_sizes",
    "zoom_of",
]


def sample_motion(
    name: str,
    *,
    seed: int,
    image_size: tuple[int, int],
    frames: int = 12,
    size: tuple[int, int] = (224, 224),
    fps: float = FPS,
    parameters: Mapping[str, Any] | None = None,
    **further: Any,
) -> np.ndarray:
    """Draw one motion: quads_T42 float32, the corners TL, TR, BR, BL of each frame's view, (x, y) in [0, 1].

    `name` is a motion, or several joined by '+' (at once), '>' (one after the other) or '|' (a cut).
    `image_size` and `size` are (H, W) in pixels, of the picture and of the frames. `fps` matters only to
    motions that run in seconds (crop_jitter). Parameters are given by keyword (``zoom=1.5``, in combinations
    also ``zoom_in__zoom=1.5``) or as a mapping (``parameters={"zoom_in.zoom": [1.2, 1.5]}``). A number is
    taken as it is, [low, high] is drawn from. The same arguments give the same bits. Raises ConfigError (a
    ValueError) for an unknown motion or parameter, and names the nearest one. For a value out of range it
    names the range and the unit.
    """
    return sample_trajectory(
        name,
        seed=seed,
        image_size=image_size,
        frames=frames,
        size=size,
        fps=fps,
        parameters=parameters,
        **further,
    ).quads_T42


def sample_trajectory(
    name: str,
    *,
    seed: int,
    image_size: tuple[int, int],
    frames: int = 12,
    size: tuple[int, int] = (224, 224),
    fps: float = FPS,
    parameters: Mapping[str, Any] | None = None,
    **further: Any,
) -> Trajectory:
    """Do as `sample_motion`, and return the drawn parameters too."""
    check_shape(image_size, frames, size, fps)
    twice = set(parameters or {}) & set(further)
    if twice:
        raise ConfigError(f"motion {name}: {min(twice)} is given twice; give it once")
    plan = make_plan(name, {**(parameters or {}), **further})
    rng = clip_rng(seed)
    rng.random()  # the number that `draw` spends on choosing, so that a drawn clip can be repeated by name
    return plan.draw(rng, image_size=image_size, frames=frames, size=size, fps=fps)
