"""Motions as plain JSON values, for programs and pages."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from transforms.motions.composition import make_plan
from transforms.motions.grammar import parse
from transforms.motions.lookup import built_in_motions, find_motion
from transforms.motions.motion import Motion, Parameter


def motions(*names: str) -> list[dict[str, Any]]:
    """Describe every built-in motion, or those named: name, help, and its parameters.

    A parameter has name, default, low, high, unit, help and so on.
    """
    return [describe_motion(motion) for motion in find_motions(names)]


def describe_motion(motion: Motion) -> dict[str, Any]:
    """One motion as plain JSON values; `parameters` holds those of timing too."""
    return {
        "name": motion.name,
        "help": motion.help,
        "parameters": [describe_parameter(p) for p in motion.parameters],
    }


def find_motions(names: Sequence[str]) -> list[Motion]:
    """The motions of these names, each part of a composition apart; all built-in ones for none.

    Each has the name that a config gives it, which for a motion of a user's module is its path.

    Raises ConfigError.
    """
    if not names:
        return list(built_in_motions().values())
    pieces = [piece for name in names for piece in parse(make_plan(name, {}).name)]
    return [replace(find_motion(piece.name), name=piece.name) for piece in pieces]


def describe_parameter(parameter: Parameter) -> dict[str, Any]:
    """One parameter as plain JSON values."""
    default = parameter.default
    if isinstance(parameter.default, list | tuple):
        default = list(parameter.default)
    fields = {"name": parameter.name, "default": default, "unit": parameter.unit, "help": parameter.help}
    return {**fields, **parameter.limits}
