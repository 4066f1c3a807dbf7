"""From a motion's name and a user's parameters to something that can be drawn again and again."""

from __future__ import annotations

import operator
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np

from schemas.errors import ConfigError
from schemas.plugins import find_plugin, is_plugin
from schemas.text import nearest
from transforms.motions.camera import Camera, place, view_path
from transforms.motions.easing import progress
from transforms.motions.motion import MAX_HOLD, TIMING, Motion, Spec
from transforms.motions.trajectory import Trajectory

SHARED = frozenset(parameter.name for parameter in TIMING)
MAX_FRAMES = 10_000


@cache
def built_in_motions() -> Mapping[str, Motion]:
    """Every built-in motion by name, in the order in which the module defines them."""
    from transforms.motions import builtin as camera_motions

    return {value.name: value for value in vars(camera_motions).values() if isinstance(value, Motion)}


def find_motion(name: str) -> Motion:
    """One motion by name, or by import path (``package.module:attribute``). Raises ConfigError with the nearest name."""
    if is_plugin(name):
        return _import_motion(name)
    known = built_in_motions()
    if name not in known:
        raise ConfigError(
            f"unknown motion {name!r}; {_nearest(name, known)}; your own are written package.module:name"
        )
    return known[name]


def _import_motion(path: str) -> Motion:
    found = find_plugin(path, "motion")
    if not isinstance(found, Motion):
        raise ConfigError(
            f"motion: {path} is a {type(found).__name__}, not a motion; decorate the function with @motion(...)"
        )
    return found


def _nearest(name: str, known: Iterable[str]) -> str:
    names = list(known)
    near = nearest(name, names)
    return f"the nearest is {near[0]}" if near else f"known: {', '.join(names)}"


MAX_PARTS = 16  # motions of a composition


@dataclass(frozen=True)
class Part:
    """One motion of a composition with what its parameters are drawn from."""

    label: str  # how its parameters are addressed: the motion's name, name_2 if it stands a second time
    motion: Motion
    specs: tuple[Spec, ...]  # in the order of motion.parameters
    slots: tuple[
        int, ...
    ]  # which of the clip's uniform numbers each parameter uses; shared timing shares one


@dataclass(frozen=True)
class Plan:
    """A motion or composition, checked and ready to draw."""

    name: str
    parts: tuple[Part, ...]

    def draw(
        self,
        rng: np.random.Generator,
        *,
        image_size: tuple[int, int],
        frames: int,
        size: tuple[int, int],
        fps: float,
    ) -> Trajectory:
        """Draw the parameters, move the camera, place its path. Takes from `rng`: place, parameters, then what motions use."""
        uniforms = rng.random(2 + sum(len(part.specs) for part in self.parts)).tolist()
        parameters: dict[str, Any] = {}
        drawn: list[dict[str, Any]] = []
        for part in self.parts:
            prefix = f"{part.label}." if len(self.parts) > 1 else ""
            values = {
                parameter.name: parameter.value(spec, uniforms[slot])
                for parameter, spec, slot in zip(part.motion.parameters, part.specs, part.slots, strict=True)
            }
            parameters.update({prefix + name: value for name, value in values.items()})
            drawn.append(values)
        cameras = [
            _camera(part.motion, values, rng, frames, fps)
            for part, values in zip(self.parts, drawn, strict=True)
        ]
        try:
            path_T4 = view_path(cameras, frames=frames, size=size)
            quads_T42 = place(path_T4, image_size=image_size, where=(uniforms[0], uniforms[1]))
        except ValueError as error:
            raise ValueError(f"motion {self.name} with {parameters}: {error}") from None
        return Trajectory(self.name, parameters, quads_T42)


def _camera(
    motion: Motion, values: Mapping[str, Any], rng: np.random.Generator, frames: int, fps: float
) -> Camera:
    if motion.still:
        return motion.function(progress(frames))
    own = {parameter.name: values[parameter.name] for parameter in motion.own}
    if "rng" in motion.extras:
        own["rng"] = rng
    if "seconds" in motion.extras:
        own["seconds"] = (frames - 1) / fps
    timing = {parameter.name: values[parameter.name] for parameter in TIMING}
    return motion.function(progress(frames, endless=motion.endless, **timing), **own)


def make_plan(name: str, parameters: Mapping[str, Any]) -> Plan:
    """Check a name (motions joined by '+') and its parameters. Raises ConfigError, one line.

    A parameter is named plainly ("zoom") or with its motion ("zoom_in.zoom", or zoom_in__zoom where dots cannot be written).
    A plain name that two motions of the composition have is an error, but for those of timing (easing, speed, hold_start,
    hold_end), which then hold, with one draw, for every motion that takes them.
    """
    if not isinstance(name, str) or not all(piece.strip() for piece in name.split("+")):
        raise ConfigError(
            f"motion {name!r}: write a motion's name, or several joined by '+', e.g. rotate_cw+zoom_in"
        )
    names = [piece.strip() for piece in name.split("+")]
    if len(names) > MAX_PARTS:
        raise ConfigError(
            f"motion {name[:60]!r}...: {len(names)} motions are joined; at most {MAX_PARTS} can be"
        )
    motions = _labelled([find_motion(piece) for piece in names])
    given = _addressed("+".join(names), motions, parameters)
    parts, slot = [], 2
    shared: dict[str, int] = {}  # timing given plainly: the first motion's slot serves all
    for label, motion in motions.items():
        specs, slots = [], []
        for parameter in motion.parameters:
            address = (label, parameter.name)
            where, value, plain = given.get(address, (f"{label}.{parameter.name}", parameter.default, False))
            specs.append(parameter.spec(value, f"motion {name}: {where}" if address in given else where))
            slots.append(shared.setdefault(parameter.name, slot) if plain else slot)
            slot += 1
        _check_holds(name, motion, specs)
        parts.append(Part(label, motion, tuple(specs), tuple(slots)))
    return Plan("+".join(names), tuple(parts))


def _labelled(motions: list[Motion]) -> dict[str, Motion]:
    labels: dict[str, Motion] = {}
    for motion in motions:
        label, count = motion.name, 1
        while label in labels:
            count += 1
            label = f"{motion.name}_{count}"
        labels[label] = motion
    return labels


def _addressed(
    name: str, motions: Mapping[str, Motion], parameters: Mapping[str, Any]
) -> dict[tuple[str, str], tuple[str, Any, bool]]:
    """(label, parameter) -> (as written, value, whether it is timing that holds for several). Full addresses win over plain."""
    plain: dict[tuple[str, str], tuple[str, Any, bool]] = {}
    full: dict[tuple[str, str], tuple[str, Any, bool]] = {}
    takes = {label: {parameter.name for parameter in motion.parameters} for label, motion in motions.items()}
    for written, value in parameters.items():
        label, dot, parameter = written.replace("__", ".").rpartition(".")
        owners = [owner for owner in takes if parameter in takes[owner] and (not dot or owner == label)]
        if not owners:
            raise ConfigError(_unknown(name, written, takes))
        if not dot and len(owners) > 1 and parameter not in SHARED:
            options = " or ".join(f"{owner}.{parameter}" for owner in owners)
            raise ConfigError(f"motion {name}: {written} is ambiguous; say {options}")
        target = full if dot else plain
        for owner in owners:
            if (owner, parameter) in target:
                raise ConfigError(f"motion {name}: {owner}.{parameter} is given twice; give it once")
            target[owner, parameter] = (written, value, len(owners) > 1)
    for (owner, parameter), (_, _, shared) in plain.items():
        if (owner, parameter) in full and not shared:
            raise ConfigError(f"motion {name}: {owner}.{parameter} is given twice; give it once")
    return plain | full


def _unknown(name: str, written: str, takes: Mapping[str, set[str]]) -> str:
    known = {parameter: None for names in takes.values() for parameter in sorted(names)}
    known |= (
        {f"{label}.{parameter}": None for label, names in takes.items() for parameter in sorted(names)}
        if len(takes) > 1
        else {}
    )
    if not known:
        return f"motion {name}: unknown parameter {written!r}; it has none"
    return f"motion {name}: unknown parameter {written!r}; {_nearest(written.replace('__', '.'), known)}"


def _check_holds(name: str, motion: Motion, specs: list[Spec]) -> None:
    if motion.still:
        return
    start, end = (float(spec[1]) for spec in specs[-2:])
    if start + end > MAX_HOLD + 1e-9:
        raise ConfigError(
            f"motion {name}: hold_start + hold_end = {start + end:g}: together they must be 0 to {MAX_HOLD:g} of the clip"
        )


def clip_rng(seed: int) -> np.random.Generator:
    """The random numbers of one clip, from its seed alone. Raises ConfigError if it is negative or no integer."""
    try:
        number = operator.index(seed)
    except TypeError:
        number = -1
    if number < 0:
        raise ConfigError(
            f"seed = {seed!r}: it must be an integer of at least 0; schemas.keys.derive_seed makes one from a key"
        )
    return np.random.Generator(np.random.PCG64(number))


def check_shape(image_size: tuple[int, int], frames: int, size: tuple[int, int], fps: float) -> None:
    """Raise ConfigError unless the sizes (H, W) are at least 1 pixel, frames 1 to MAX_FRAMES, and fps above 0."""
    for what, (height, width) in (("image_size", image_size), ("size", size)):
        if not (height >= 1 and width >= 1):
            raise ConfigError(f"{what} = {(height, width)}: height and width must be at least 1 pixel")
    if not 1 <= frames <= MAX_FRAMES:
        raise ConfigError(f"frames = {frames}: it must be 1 to {MAX_FRAMES}")
    if not 0.0 < fps <= 1000.0:
        raise ConfigError(f"fps = {fps}: it must be above 0 and at most 1000 frames a second")
