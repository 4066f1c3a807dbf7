"""`zoetrope motions`: the camera motions, their parameters, units, defaults and ranges."""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Sequence
from typing import Any

from transforms.motions.composition import built_in_motions, find_motion, make_plan
from transforms.motions.motion import TIMING, Motion, Parameter

EPILOG = """Motions compose with '+', each inside the view of those before it: rotate_cw+zoom_in, pan_left+crop_jitter.
In a composition a parameter that several have is named with its motion: zoom_in.zoom.
Your own motions are named by import path: mypackage.mymotions:dolly (see docs/motions.md)."""


def main(argv: list[str] | None = None) -> int:
    """Print the motions, or those that are named. Returns 0; an unknown name is a ConfigError (exit 2)."""
    parser = argparse.ArgumentParser(
        prog="zoetrope motions",
        description="List the camera motions, their parameters, units, defaults and ranges.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "name",
        nargs="*",
        help="only these: motions, compositions such as rotate_cw+zoom_in, package.module:name",
    )
    parser.add_argument("--json", action="store_true", help="as JSON, for programs")
    args = parser.parse_args(argv)
    found = _find(args.name)
    if args.json:
        text = json.dumps(
            {"motions": [describe(m) for m in found], "timing": [_fields(p) for p in TIMING]}, indent=2
        )
    else:
        text = "\n".join(_details(found) if args.name else _table(found))
    try:
        print(text, flush=True)
    except BrokenPipeError:  # `zoetrope motions | head`: the reader has what it wanted
        os.dup2(
            os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno()
        )  # so that closing it at exit does not fail too
    return 0


def motions(*names: str) -> list[dict[str, Any]]:
    """Describe every built-in motion, or those named: name, help, parameters (name, default, low, high, unit, help, ...)."""
    return [describe(motion) for motion in _find(names)]


def describe(motion: Motion) -> dict[str, Any]:
    """One motion as plain JSON values; `parameters` holds those of timing too."""
    return {"name": motion.name, "help": motion.help, "parameters": [_fields(p) for p in motion.parameters]}


def _find(names: Sequence[str]) -> list[Motion]:
    if not names:
        return list(built_in_motions().values())
    return [find_motion(piece) for name in names for piece in make_plan(name, {}).name.split("+")]


def _fields(parameter: Parameter) -> dict[str, Any]:
    default = list(parameter.default) if isinstance(parameter.default, list | tuple) else parameter.default
    fields: dict[str, Any] = {
        "name": parameter.name,
        "default": default,
        "unit": parameter.unit,
        "help": parameter.help,
    }
    if parameter.choices:
        return {**fields, "choices": list(parameter.choices)}
    return {**fields, "low": parameter.low, "high": parameter.high, "log": parameter.log}


def _table(found: Sequence[Motion]) -> list[str]:
    """A line a motion, with its parameters below; the timing, which all share, once at the end."""
    width = max(len(motion.name) for motion in found) + 2
    lines = []
    for motion in found:
        lines.append(f"{motion.name:{width}}{motion.help}")
        lines += _rows(motion.own)
    lines += ["", "Every motion that moves also takes:", *_rows(TIMING), "", EPILOG]
    return lines


def _details(found: Sequence[Motion]) -> list[str]:
    lines = []
    for motion in found:
        lines += [f"{motion.name}: {motion.help}", *_rows(motion.parameters)]
        example = next((p for p in motion.own if not isinstance(p.default, float | str)), None)
        extra = f", {example.name}: [{_default(example).replace(' to ', ', ')}]" if example else ""
        lines += ["", "  in a config:", f"    motions: [{{name: {motion.name}, weight: 1{extra}}}]", ""]
    return lines[:-1]


def _rows(parameters: Sequence[Parameter]) -> list[str]:
    return [f"    {p.name:11} {_default(p):12} ({p.allowed + ')':36} {p.help}" for p in parameters]


def _default(parameter: Parameter) -> str:
    value = parameter.default
    items = [value] if isinstance(value, int | float | str) else list(value)
    return " to ".join(item if isinstance(item, str) else f"{item:g}" for item in items)
