"""A drawn motion in words, for the lines below sheets and for the terminal."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from transforms.motions.motion import TIMING
from transforms.motions.trajectory import Trajectory

_USUAL = {parameter.name: parameter.default for parameter in TIMING}


def in_words(drawn: Trajectory) -> str:
    """Return the motion and its values: "zoom_in zoom=1.5 focus_x=0.2".

    Timing that is as usual is left out.
    """
    return f"{drawn.motion} {values_in_words(drawn.parameters)}".rstrip()


def values_in_words(parameters: Mapping[str, Any]) -> str:
    """Return "zoom=1.5 focus_x=0.2", numbers with three digits."""
    shown = {name: value for name, value in parameters.items() if not _is_usual(name, value)}
    return " ".join(f"{name}={_short(value)}" for name, value in shown.items())


def _is_usual(name: str, value: Any) -> bool:
    return bool(_USUAL.get(name.rpartition(".")[2]) == value)


def _short(value: Any) -> str:
    """Return a value as a parameter is written on the command line, without spaces."""
    if isinstance(value, Mapping):
        return "{" + ",".join(f"{name}:{_short(inner)}" for name, inner in value.items()) + "}"
    if isinstance(value, list | tuple):
        return "[" + ",".join(_short(inner) for inner in value) + "]"
    if isinstance(value, float):
        return f"{value:.3g}"
    return str(value)
