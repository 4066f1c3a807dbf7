"""`zoetrope motions`: the camera motions, their parameters, units, defaults and ranges."""

from __future__ import annotations

import json
from collections.abc import Sequence
from contextlib import suppress

from transforms.motions.describe import describe_motion, describe_parameter, find_motions
from transforms.motions.motion import TIMING, Motion, Parameter
from zoetrope.arguments import Parser

EXAMPLES = """examples:
  zoetrope motions
  zoetrope motions zoom_in
  zoetrope motions rotate_cw+zoom_in --json"""
EPILOG = """Motions compose with '+', each inside the view of the ones before it: rotate_cw+zoom_in,
pan_left+crop_jitter. '>' puts one after the other, '|' cuts between two shots: 'zoom_in>pan_left'.
In a composition a parameter that several have is named with its motion: zoom_in.zoom.
Your own motions are named by import path: mypackage.mymotions:dolly (see docs/motions.md)."""


def main(argv: Sequence[str]) -> int:
    """The command. Raises ConfigError for an unknown name."""
    args = _parser().read(argv)
    found = find_motions(args.name)
    if args.json:
        about = {
            "motions": [describe_motion(motion) for motion in found],
            "timing": [describe_parameter(parameter) for parameter in TIMING],
        }
        text = json.dumps(about, indent=2)
    elif args.name:
        text = "\n".join(_details(found))
    else:
        text = "\n".join(_table(found))
    with suppress(BrokenPipeError):  # `zoetrope motions | head`: the reader has all that it wanted
        print(text, flush=True)
    return 0


def _parser() -> Parser:
    parser = Parser(
        prog="zoetrope motions",
        description="List the camera motions, their parameters, units, defaults and ranges.",
        epilog=f"{EXAMPLES}\n\n{EPILOG}",
    )
    parser.add_argument(
        "name",
        nargs="*",
        metavar="MOTION",
        help="only these: motions, compositions such as rotate_cw+zoom_in, package.module:name",
    )
    parser.add_argument("--json", action="store_true", help="as JSON, for programs")
    return parser


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
        extra = next((f", {p.name}: {p.example}" for p in motion.own if p.example), "")
        lines += ["", "  in a config:", f"    motions: [{{name: {motion.name}, weight: 1{extra}}}]", ""]
    return lines[:-1]


def _rows(parameters: Sequence[Parameter]) -> list[str]:
    return [f"    {p.name:11} {p.default_in_words:12} ({p.brief + ')':36} {p.help}" for p in parameters]
