"""`zoetrope preview`: see a motion on pictures, or the very clip that a job would make."""

from __future__ import annotations

import argparse
import re
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from schemas.errors import ConfigError
from schemas.yaml_text import YamlError, read_yaml
from zoetrope.arguments import Parser
from zoetrope.interrupt import loading
from zoetrope.shipped import find_config

if TYPE_CHECKING:
    from preview.show.preview import Preview

SIZE = re.compile(r"(\d+)(?:x(\d+))?")
PARAMETER = re.compile(r"[a-z][a-z0-9_.]*=")
EXAMPLES = """examples:
  zoetrope preview cat.jpg --motion zoom_in zoom=1.5 easing=ease_out -o cat.gif
  zoetrope preview cat.jpg --all -o all.webp
  zoetrope preview --config coco.yaml --key coco-000000391895 -o clip.mp4"""
ENDINGS = ".gif, .webp, .mp4, .png"
LINE_SECONDS = 5.0  # between two lines of progress, where there is no terminal


def main(argv: Sequence[str]) -> int:
    """The command. Raises ConfigError for bad usage, and for what cannot be read, drawn or written."""
    args = _parser().read(argv)
    with loading():
        from preview.show.animation import check_ending
    check_ending(args.output)
    pictures, parameters = _split(args.inputs)
    if args.config is not None or args.key is not None:
        shown = _from_config(args, pictures, parameters)
    else:
        shown = _from_pictures(args, pictures, parameters)
    shown.save(args.output)
    print(_summary(args.output, shown))
    return 0


def _parser() -> Parser:
    parser = Parser(
        prog="zoetrope preview",
        description=f"See a camera motion on pictures. The ending of -o chooses the kind: {ENDINGS}.",
        epilog=EXAMPLES,
    )
    parser.add_argument(
        "inputs",
        nargs="*",
        metavar="PICTURE | PARAMETER=VALUE",
        help="files, folders, globs, URIs; and parameters of the motion, e.g. zoom=1.5, or zoom=[1.2,1.8] "
        "for a range",
    )
    parser.add_argument(
        "-o",
        "--output",
        metavar="FILE",
        default="preview.gif",
        help="what to write (default preview.gif)",
    )
    parser.add_argument(
        "--motion",
        metavar="MOTION",
        help="a motion, or several joined by '+' (default zoom_in); `zoetrope motions` lists them",
    )
    parser.add_argument("--all", action="store_true", help="every motion on one sheet")
    parser.add_argument("--path", action="store_true", help="draw the camera's path over the picture")
    parser.add_argument(
        "--focus",
        choices=("any", "subject"),
        default="any",
        help="subject: keep what is salient in view, as motions.focus in a config (default any)",
    )
    parser.add_argument("--seed", metavar="N", type=int, default=0, help="of the draw (default 0)")
    parser.add_argument(
        "--size",
        metavar="PIXELS",
        help="of a frame: 224, or WIDTHxHEIGHT (default 224, and less for many clips)",
    )
    parser.add_argument("--frames", metavar="N", type=int, default=12, help="in the clip (default 12)")
    parser.add_argument("--fps", metavar="N", type=float, default=8.0, help="frames a second (default 8)")
    parser.add_argument(
        "--config", metavar="FILE", help="an animate config; with --key: the clip that the job makes"
    )
    parser.add_argument(
        "--key", metavar="KEY", help="the key of the sample, as in KEY.json and samples.parquet"
    )
    return parser


def _split(inputs: Iterable[str]) -> tuple[list[str], dict[str, str]]:
    """Pictures, and parameters as they are written (``name=value``)."""
    pictures: list[str] = []
    parameters: dict[str, str] = {}
    for text in inputs:
        if not PARAMETER.match(text):
            pictures.append(text)
            continue
        name, _, raw = text.partition("=")
        if name in parameters:
            raise ConfigError(f"parameter {name} is given twice; give it once")
        parameters[name] = raw
    return pictures, parameters


def _parameter(name: str, raw: str) -> Any:
    """The value of a motion's parameter: a number, a name, or a list of two to draw from."""
    try:
        return read_yaml(raw)
    except YamlError:
        raise ConfigError(
            f"parameter {name}={raw!r}: write it as name=value, e.g. zoom=1.5 or zoom=[1.2,1.8]"
        ) from None


def parse_size(text: str) -> tuple[int, int]:
    """``224`` or ``WIDTHxHEIGHT`` as (height, width). Raises ConfigError."""
    match = SIZE.fullmatch(text)
    if not match:
        raise ConfigError(f"size {text!r}: write 224, or WIDTHxHEIGHT such as 320x240")
    width = int(match[1])
    return int(match[2] or width), width


def _from_pictures(args: argparse.Namespace, pictures: list[str], parameters: dict[str, str]) -> Preview:
    with loading():
        from preview.show.preview import preview
    with progress_bar() as bar:
        return preview(
            pictures,
            args.motion or "zoom_in",
            seed=args.seed,
            size=None if args.size is None else parse_size(args.size),
            frames=args.frames,
            fps=args.fps,
            every_motion=args.all,
            path=args.path,
            progress=bar,
            focus=args.focus,
            **{name: _parameter(name, raw) for name, raw in parameters.items()},
        )


@contextmanager
def progress_bar() -> Iterator[Callable[[int, int], None]]:
    """Progress for as long as the block runs, called with clips made and in all.

    A bar on a terminal, a line every LINE_SECONDS elsewhere.
    """
    from tqdm import tqdm

    next_line = time.monotonic() + LINE_SECONDS
    with tqdm(unit="clip", leave=False, disable=None) as bar:

        def show(made: int, total: int) -> None:
            nonlocal next_line
            bar.total = total
            bar.update(made - bar.n)
            if bar.disable and time.monotonic() >= next_line:
                next_line = time.monotonic() + LINE_SECONDS
                print(f"zoetrope preview: {made} of {total} clips", file=sys.stderr, flush=True)

        yield show


def _from_config(args: argparse.Namespace, pictures: list[str], parameters: dict[str, str]) -> Preview:
    if args.config is None or args.key is None:
        raise ConfigError("--config and --key go together: the job's config file and the key of the sample")
    focus = ("--focus", args.focus == "subject")
    for name, given in (("--motion", args.motion), ("--all", args.all), ("a picture", pictures), focus):
        if given:
            raise ConfigError(f"{name} has no effect with --config: the config says which picture and motion")
    with loading():
        from preview.show.from_config import clip_of_key

    overrides = [f"{name}={raw}" for name, raw in parameters.items()]
    config = find_config(args.config, "animate")
    return clip_of_key(config, args.key, overrides, path=args.path)


def _summary(output: str, shown: Preview) -> str:
    count, height, width = shown.clips[0].frames_THWC.shape[:3]
    what = f"{output}: "
    if len(shown.clips) > 1:
        what += f"{len(shown.clips)} clips, "
    what += f"{count} frames of {width}x{height} at {shown.fps:g} fps"
    drawn = shown.clips[0].trajectory
    if len(shown.clips) == 1 and drawn is not None:
        with loading():
            from preview.show.words import in_words
        what += f", {in_words(drawn)}"
    return what
