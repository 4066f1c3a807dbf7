"""`zoetrope preview`: see a motion on pictures, or the very clip that a job would make, before a million are made.

In Python and in notebooks: ``zoetrope.preview("cat.jpg", motion="zoom_in", zoom=1.5)`` displays itself.
"""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Iterable, Sequence
from typing import Any, NoReturn

import numpy as np
import yaml

from preview.show.animation import ENDINGS, check_ending
from preview.show.path import draw_path
from preview.show.result import Preview, PreviewClip
from preview.show.stills import find_pictures, read_picture
from schemas.errors import ConfigError
from transforms.motions import Trajectory, built_in_motions, sample_trajectory

MOST_PICTURES = 64
MOST_BYTES = 1_500_000_000  # of all frames together, uncompressed
SIZE = re.compile(r"(\d+)(?:x(\d+))?")
PARAMETER = re.compile(r"[a-z][a-z0-9_.]*=")


def preview(
    pictures: str | Sequence[str] | np.ndarray,
    motion: str = "zoom_in",
    *,
    seed: int = 0,
    size: tuple[int, int] = (224, 224),
    frames: int = 12,
    fps: float = 8.0,
    every_motion: bool = False,
    path: bool = False,
    progress: bool = False,
    **parameters: Any,
) -> Preview:
    """Render one motion (or composition), or every built-in motion, on one or several pictures.

    `pictures` are files, folders, globs or URIs, or one uint8 RGB image [H,W,3]; `size` is (H, W) of the frames in pixels.
    Keywords are parameters of the motion (``zoom=1.5``, or a pair to draw from). `path` draws the camera's path as well.
    The same arguments give the same pixels. Raises ConfigError (a ValueError) for pictures that cannot be read, motions
    that cannot be drawn, and clips that need too much memory.
    """
    named = _named_pictures(pictures)
    names = list(built_in_motions()) if every_motion else [motion]
    if every_motion and parameters:
        raise ConfigError(
            f"{min(parameters)}: parameters go with one motion; leave them out to see every motion"
        )
    for name in names:  # a wrong parameter is reported before any picture is opened
        sample_trajectory(
            name, seed=seed, image_size=(480, 640), frames=frames, size=size, fps=fps, parameters=parameters
        )
    _check_memory(len(named) * len(names), frames, size)
    clips = []
    with _progress(len(named) * len(names), shown=progress) as bar:
        for label, source in named:
            image_HWC = source if isinstance(source, np.ndarray) else read_picture(source).image_HWC
            for name in names:
                drawn = sample_trajectory(
                    name,
                    seed=seed,
                    image_size=image_HWC.shape[:2],
                    frames=frames,
                    size=size,
                    fps=fps,
                    parameters=parameters,
                )
                shown_as = _label(name, label, motions=len(names), pictures=len(named))
                clips.append(make_preview_clip(shown_as, image_HWC, drawn, size=size, path=path))
                bar.update()
    return Preview(tuple(clips), fps)


def _label(motion: str, picture: str, *, motions: int, pictures: int) -> str:
    """Name a clip by what differs between the clips."""
    if motions == 1:
        return picture
    return motion if pictures == 1 else f"{motion}, {picture}"


def make_preview_clip(
    label: str, image_HWC: np.ndarray, drawn: Trajectory, *, size: tuple[int, int], path: bool = False
) -> PreviewClip:
    """Render a drawn trajectory. `size` is (H, W) of the frames, pixels."""
    from transforms.rendering.render import render

    frames_THWC = render(image_HWC, drawn.quads_T42, size=size)
    if not path:
        return PreviewClip(label, frames_THWC, drawn)
    return PreviewClip(
        label, frames_THWC, drawn, draw_path(image_HWC, drawn.quads_T42, longest=max(480, *size))
    )


def _named_pictures(pictures: str | Sequence[str] | np.ndarray) -> list[tuple[str, str | np.ndarray]]:
    if isinstance(pictures, np.ndarray):
        if pictures.ndim != 3 or pictures.shape[2] != 3 or pictures.dtype != np.uint8:
            raise ConfigError(
                f"picture: an array must be uint8 [H,W,3], got {pictures.dtype} {pictures.shape}"
            )
        return [("picture", pictures)]
    names = [pictures] if isinstance(pictures, str) else [str(p) for p in pictures]
    if not names:
        raise ConfigError("no picture: give at least one file, folder or glob")
    return [(uri.rstrip("/").rsplit("/", 1)[-1], uri) for uri in find_pictures(names, most=MOST_PICTURES)]


def _check_memory(clips: int, frames: int, size: tuple[int, int]) -> None:
    needed = 2 * clips * frames * size[0] * size[1] * 3
    if needed > MOST_BYTES:
        raise ConfigError(
            f"{clips} clips of {frames} frames of {size[1]}x{size[0]} take {needed / 1e9:.1f} GB, over the limit of "
            f"{MOST_BYTES / 1e9:.1f}; give fewer pictures or frames, or a smaller size"
        )


def _progress(total: int, *, shown: bool) -> Any:
    from tqdm import tqdm

    return tqdm(
        total=total, unit="clip", leave=False, disable=None if shown else True
    )  # None: shown on a terminal only


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        raise ConfigError(f"{message}; see `zoetrope preview --help`")


def main(argv: list[str]) -> int:
    """The command. Returns 0; raises ConfigError for bad usage."""
    parser = _parser()
    args = parser.parse_intermixed_args(argv)  # pictures and parameters may stand anywhere
    check_ending(args.output)
    pictures, parameters = _split(args.inputs)
    if args.config is not None or args.key is not None:
        shown = _from_config(args, pictures, parameters)
    else:
        shown = preview(
            pictures,
            args.motion or "zoom_in",
            seed=args.seed,
            size=parse_size(args.size),
            frames=args.frames,
            fps=args.fps,
            every_motion=args.all,
            path=args.path,
            progress=True,
            **parameters,
        )
    shown.save(args.output)
    print(_summary(args.output, shown))
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(
        prog="zoetrope preview",
        description="See a camera motion on pictures. The ending of -o chooses the kind: "
        + ", ".join(ENDINGS)
        + ".",
        epilog="examples: zoetrope preview cat.jpg --motion zoom_in zoom=1.5 easing=ease_out -o cat.gif; "
        "zoetrope preview cat.jpg --all -o all.webp; zoetrope preview --config coco.yaml --key coco-000000391895 -o clip.mp4",
    )
    parser.add_argument(
        "inputs",
        nargs="*",
        metavar="PICTURE | parameter=value",
        help="files, folders, globs, URIs; and parameters of the motion, e.g. zoom=1.5 or zoom=[1.2,1.8] to draw from",
    )
    parser.add_argument("-o", "--output", default="preview.gif", help="what to write (default preview.gif)")
    parser.add_argument(
        "--motion", help="a motion, or several joined by '+' (default zoom_in); `zoetrope motions` lists them"
    )
    parser.add_argument("--all", action="store_true", help="every motion on one sheet")
    parser.add_argument("--path", action="store_true", help="draw the camera's path over the picture")
    parser.add_argument("--seed", type=int, default=0, help="what the draw starts from (default 0)")
    parser.add_argument("--size", default="224", help="of a frame, pixels: 224 or WIDTHxHEIGHT (default 224)")
    parser.add_argument("--frames", type=int, default=12, help="in the clip (default 12)")
    parser.add_argument("--fps", type=float, default=8.0, help="frames a second (default 8)")
    parser.add_argument(
        "--config", metavar="FILE", help="an animate config; with --key: the clip that the job makes"
    )
    parser.add_argument("--key", help="the key of the sample, as in KEY.json and samples.parquet")
    return parser


def _split(inputs: Iterable[str]) -> tuple[list[str], dict[str, Any]]:
    """Pictures, and parameters (``name=value``, the value read as YAML)."""
    pictures: list[str] = []
    parameters: dict[str, Any] = {}
    for text in inputs:
        if not PARAMETER.match(text):
            pictures.append(text)
            continue
        name, _, raw = text.partition("=")
        if name in parameters:
            raise ConfigError(f"parameter {name} is given twice; give it once")
        try:
            parameters[name] = yaml.safe_load(raw)
        except yaml.YAMLError:
            raise ConfigError(
                f"parameter {text!r}: write it as name=value, e.g. zoom=1.5 or zoom=[1.2,1.8]"
            ) from None
    return pictures, parameters


def parse_size(text: str) -> tuple[int, int]:
    """``224`` or ``WIDTHxHEIGHT`` as (height, width). Raises ConfigError."""
    match = SIZE.fullmatch(text)
    if not match:
        raise ConfigError(f"size {text!r}: write 224, or WIDTHxHEIGHT such as 320x240")
    width = int(match[1])
    return int(match[2] or width), width


def _from_config(args: argparse.Namespace, pictures: list[str], parameters: dict[str, Any]) -> Preview:
    if args.config is None or args.key is None:
        raise ConfigError("--config and --key go together: the job's config file and the key of the sample")
    for name, given in (("--motion", args.motion), ("--all", args.all), ("a picture", pictures)):
        if given:
            raise ConfigError(f"{name} has no effect with --config: the config says which picture and motion")
    from preview.show.from_config import clip_of_key  # loads the pipelines: for this alone

    overrides = [
        f"{name}={yaml.safe_dump(v, default_flow_style=True).splitlines()[0]}"
        for name, v in parameters.items()
    ]
    return clip_of_key(args.config, args.key, overrides, path=args.path)


def _summary(output: str, shown: Preview) -> str:
    count, height, width = shown.clips[0].frames_THWC.shape[:3]
    what = f"{output}: {len(shown.clips)} clips, " if len(shown.clips) > 1 else f"{output}: "
    what += f"{count} frames of {width}x{height} at {shown.fps:g} fps"
    drawn = shown.clips[0].trajectory
    if len(shown.clips) == 1 and drawn is not None:
        what += f", {drawn.motion} " + " ".join(f"{name}={value}" for name, value in drawn.parameters.items())
    return what.rstrip()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
