"""Find motions by name: the built-in ones, and a user's own by import path."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import cache

from schemas.errors import ConfigError
from schemas.plugins import find_plugin, is_plugin
from schemas.text import nearest
from transforms.motions.motion import Motion


@cache
def built_in_motions() -> Mapping[str, Motion]:
    """Return every built-in motion by name, in the order in which their modules define them."""
    from transforms.motions.builtin import keyframes, moves

    found = [*vars(moves).values(), *vars(keyframes).values()]
    return {value.name: value for value in found if isinstance(value, Motion)}


def find_motion(name: str) -> Motion:
    """Return a motion by name or by import path (``module:attribute``).

    Raises ConfigError with the nearest name.
    """
    if is_plugin(name):
        return _import_motion(name)
    known = built_in_motions()
    if name not in known:
        raise ConfigError(
            f"unknown motion {name!r}; {nearest_or_known(name, known)}; "
            "your own are written package.module:name"
        )
    return known[name]


def _import_motion(path: str) -> Motion:
    found = find_plugin(path, "motion")
    if not isinstance(found, Motion):
        raise ConfigError(
            f"motion: {path} is a {type(found).__name__}, not a motion; "
            "decorate the function with @motion(...)"
        )
    return found


def nearest_or_known(name: str, known: Iterable[str]) -> str:
    """Return the end of a message: the nearest of the known names, or all of them."""
    names = list(known)
    near = nearest(name, names)
    if near:
        return f"the nearest is {near[0]}"
    return f"known: {', '.join(names)}"
