"""Turn a motion's name and a user's parameters into a plan that can be drawn again and again."""

from __future__ import annotations

import math
import operator
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from schemas.errors import ConfigError
from transforms.motions.addresses import address
from transforms.motions.camera import Camera, place, view_path
from transforms.motions.easing import progress
from transforms.motions.grammar import canonical, labels, parse, shot_lengths
from transforms.motions.lookup import find_motion
from transforms.motions.motion import MAX_HOLD, TIMING, Motion, Spec
from transforms.motions.trajectory import Trajectory

FPS = 8.0  # frames a second of a clip, if nothing else is said
MAX_FRAMES = 10_000  # of a clip
MAX_PARTS = 16  # motions of a combination


@dataclass(frozen=True)
class Part:
    """One motion of a combination, and what its parameters are drawn from."""

    label: str  # how its parameters are addressed: the motion's name, name_2 if it occurs a second time
    motion: Motion
    specs: tuple[Spec, ...]  # in the order of motion.parameters
    slots: tuple[int, ...]  # the clip's uniform number that each parameter uses; shared timing shares one
    shot: int = 0
    start: float = 0.0  # of the shot: when the motion sets off
    end: float = 1.0  # of the shot: when it has ended


@dataclass(frozen=True)
class Plan:
    """A motion or a combination, checked and ready to draw."""

    name: str
    parts: tuple[Part, ...]

    @property
    def shots(self) -> int:
        """How many shots the clip has, with cuts between them."""
        return self.parts[-1].shot + 1

    def draw(
        self,
        rng: np.random.Generator,
        *,
        image_size: tuple[int, int],
        frames: int,
        size: tuple[int, int],
        fps: float,
    ) -> Trajectory:
        """Draw the parameters, move the camera, place its path.

        Takes from `rng`: the first shot's place, the parameters, the places of further shots, then what
        motions use.
        """
        numbers = 2 + sum(len(part.specs) for part in self.parts)
        uniforms = rng.random(numbers + 2 * (self.shots - 1)).tolist()
        drawn = [_values(part, uniforms) for part in self.parts]
        parameters = self._named(drawn)
        places = [uniforms[:2], *(uniforms[numbers + 2 * i :][:2] for i in range(self.shots - 1))]
        shots = []
        try:
            for shot, length in enumerate(shot_lengths(frames, self.shots)):
                if length == 0:
                    continue
                cameras = [
                    _camera(part, values, rng, length, fps)
                    for part, values in zip(self.parts, drawn, strict=True)
                    if part.shot == shot
                ]
                path_T4 = view_path(cameras, frames=length, size=size)
                closer = math.prod(camera.closer for camera in cameras)
                x, y = places[shot]
                shots.append(place(path_T4, image_size=image_size, where=(x, y), closer=closer))
        except ValueError as error:
            raise ValueError(f"motion {self.name} with {parameters}: {error}") from None
        return Trajectory(self.name, parameters, np.concatenate(shots))

    def _named(self, drawn: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
        """Return the values of all parts in one mapping, with the part's label if there are several."""
        if len(self.parts) == 1:
            return dict(drawn[0])
        labelled = zip(self.parts, drawn, strict=True)
        return {f"{part.label}.{name}": value for part, values in labelled for name, value in values.items()}


def _values(part: Part, uniforms: Sequence[float]) -> dict[str, Any]:
    return {
        parameter.name: parameter.value(spec, uniforms[slot])
        for parameter, spec, slot in zip(part.motion.parameters, part.specs, part.slots, strict=True)
    }


def _camera(
    part: Part, values: Mapping[str, Any], rng: np.random.Generator, frames: int, fps: float
) -> Camera:
    motion = part.motion
    own = {parameter.name: values[parameter.name] for parameter in motion.own}
    if motion.still:
        return motion.function(progress(frames), **own)
    if "rng" in motion.extras:
        own["rng"] = rng
    if "seconds" in motion.extras:
        own["seconds"] = (frames - 1) / fps * (part.end - part.start)
    timing = {parameter.name: values[parameter.name] for parameter in TIMING}
    t_T = progress(frames, endless=motion.endless, start=part.start, end=part.end, **timing)
    return motion.function(t_T, **own)


def make_plan(name: str, parameters: Mapping[str, Any]) -> Plan:
    """Check a name (see `grammar`) and its parameters. Raises ConfigError, one line.

    A parameter is named plainly ("zoom") or with its motion ("zoom_in.zoom", or zoom_in__zoom where dots
    cannot be written). Timing (easing, speed, hold_start, hold_end) that is named plainly holds, with one
    draw, for every motion.
    """
    pieces = parse(name)
    if len(pieces) > MAX_PARTS:
        raise ConfigError(
            f"motion {name[:60]!r}...: {len(pieces)} motions are joined; at most {MAX_PARTS} can be"
        )
    found = [find_motion(piece.name) for piece in pieces]
    motions = dict(zip(labels([motion.name for motion in found]), found, strict=True))
    given = address(canonical(name), motions, parameters)
    parts, slot = [], 2  # the first two numbers of a draw are the first shot's place
    shared: dict[str, int] = {}  # timing given plainly: the first motion's slot serves all
    for piece, (label, motion) in zip(pieces, motions.items(), strict=True):
        specs, slots = [], []
        for parameter in motion.parameters:
            value = given.get((label, parameter.name))
            if value is None:
                specs.append(parameter.spec(parameter.default, f"{label}.{parameter.name}"))
            else:
                specs.append(parameter.spec(value.value, f"motion {name}: {value.written}"))
            is_shared = value is not None and value.shared
            slots.append(shared.setdefault(parameter.name, slot) if is_shared else slot)
            slot += 1
        _check_holds(name, motion, specs)
        parts.append(Part(label, motion, tuple(specs), tuple(slots), piece.shot, piece.start, piece.end))
    return Plan(canonical(name), tuple(parts))


def _check_holds(name: str, motion: Motion, specs: list[Spec]) -> None:
    if motion.still:
        return
    start, end = (float(spec[1]) for spec in specs[-2:])  # TIMING ends with the holds; [1] is the most
    if start + end > MAX_HOLD + 1e-9:
        raise ConfigError(
            f"motion {name}: hold_start + hold_end = {start + end:g}: "
            f"together they must be 0 to {MAX_HOLD:g} of the clip"
        )


def clip_rng(seed: int) -> np.random.Generator:
    """Return the random numbers of one clip. Raises ConfigError if the seed is negative or no integer."""
    try:
        number = operator.index(seed)
    except TypeError:
        number = -1
    if number < 0:
        raise ConfigError(
            f"seed = {seed!r}: it must be an integer of at least 0; "
            "schemas.keys.derive_seed makes one from a key"
        )
    return np.random.Generator(np.random.PCG64(number))


def check_shape(image_size: tuple[int, int], frames: int, size: tuple[int, int], fps: float) -> None:
    """Raise ConfigError unless sizes (H, W) are at least 1 pixel, frames 1 to MAX_FRAMES, and fps above 0."""
    for what, (height, width) in (("image_size", image_size), ("size", size)):
        if not (height >= 1 and width >= 1):
            raise ConfigError(f"{what} = {(height, width)}: height and width must be at least 1 pixel")
    if not 1 <= frames <= MAX_FRAMES:
        raise ConfigError(f"frames = {frames}: it must be 1 to {MAX_FRAMES}")
    if not 0.0 < fps <= 1000.0:
        raise ConfigError(f"fps = {fps}: it must be above 0 and at most 1000 frames a second")
