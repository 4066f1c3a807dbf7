"""The choices of the page: motions with their parameters, presets, and the limits of a clip."""

from __future__ import annotations

from typing import Any

from preview.studio.motions.presets import PRESETS
from preview.studio.motions.request import MOST_SEED, ClipRequest
from transforms.motions import MotionMix, built_in_motions
from transforms.motions.builtin.keyframes import keyframes
from transforms.motions.motion import Parameter
from transforms.settings import MAX_SIDE, MIN_SIDE, ClipConfig

SLOWEST = 0.1  # frames per second at the low end of the slider; the box takes any number above 0


def describe() -> dict[str, Any]:
    """Return the choices as plain values for the page."""
    return {
        "motions": registry(),
        "default_mix": MotionMix.default().to_dict(),
        "limits": limits(),
        "presets": [dict(preset) for preset in PRESETS],
    }


def registry() -> list[dict[str, Any]]:
    """Describe the built-in motions with their parameters, as plain values for the page.

    `keyframes` is left out: its views are written by hand, and the page has sliders.
    """
    return [
        {"name": name, "help": motion.help, "parameters": [_parameter(p) for p in motion.parameters]}
        for name, motion in built_in_motions().items()
        if motion is not keyframes
    ]


def limits() -> dict[str, dict[str, Any]]:
    """Return the lowest, highest and usual value of each field of a clip: those of the job."""
    side: dict[str, Any] = {"low": MIN_SIDE, "high": MAX_SIDE, "whole": True}
    ranges: dict[str, dict[str, Any]] = {
        "seed": {"low": 0, "high": MOST_SEED, "whole": True},
        "frames": {**_bounds("frames"), "whole": True},
        "fps": {**_bounds("fps"), "sliding": SLOWEST, "whole": False},
        "width": side,
        "height": side,
    }
    return {
        name: {**found, "default": ClipRequest.model_fields[name].default} for name, found in ranges.items()
    }


def _bounds(name: str) -> dict[str, float]:
    """Return the range of a field of the job's `clip`."""
    found: dict[str, float] = {}
    for mark in ClipConfig.model_fields[name].metadata:
        for attribute, end in (("ge", "low"), ("gt", "low"), ("le", "high")):
            if getattr(mark, attribute, None) is not None:
                found[end] = getattr(mark, attribute)
    return found


def _parameter(parameter: Parameter) -> dict[str, Any]:
    default = parameter.default
    if isinstance(default, list | tuple):
        default = list(default)
    return {
        "name": parameter.name,
        "default": default,
        "low": parameter.low,
        "high": parameter.high,
        "unit": parameter.unit,
        "help": parameter.help,
        "log": parameter.log,
        "choices": list(parameter.choices),
        "also": parameter.also,
    }
