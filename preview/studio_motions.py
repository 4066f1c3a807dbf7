"""The studio's motions: what can be turned, the clip that comes of it, and the config that makes the same clip again."""

from __future__ import annotations

import base64
from dataclasses import dataclass
from typing import Any

import numpy as np
import yaml
from pydantic import Field

from preview.animation import encode_webp
from preview.studio_pictures import PictureBook, StudioPicture
from schemas.config import Config, ConfigError
from schemas.keys import derive_seed, slug
from transforms.motions import MotionMix, Trajectory, built_in_motions, curves, draw, sample_trajectory

GALLERY_SIDE, GALLERY_FRAMES, GALLERY_FPS = 128, 16, 12.0
MOST_PIXELS = 32_000_000  # of a clip: frames x width x height
MOST_DRAWS = 24


class ClipRequest(Config):
    """What the page asks for: one clip of one picture."""

    picture: str = Field(description="id")
    motions: list[Any] = Field(
        min_length=1, max_length=60, description="as in a config: names, or {name, weight, parameter: value}"
    )
    seed: int = Field(0, ge=0, le=2**53, description="the run's seed; above 2^53 a page cannot count")
    frames: int = Field(12, ge=1, le=120)
    fps: float = Field(12.0, gt=0, le=60)
    width: int = Field(224, ge=16, le=1024, description="pixels")
    height: int = Field(224, ge=16, le=1024, description="pixels")


@dataclass(frozen=True)
class StudioClip:
    """A clip, and all that the page shows of it."""

    frames_THWC: np.ndarray  # uint8 RGB
    drawn: Trajectory
    key: str  # that the job gives the sample
    config: str  # YAML

    def to_plain(self, image_size: tuple[int, int], fps: float) -> dict[str, Any]:
        """As JSON values; frames are lossless WebP in base64."""
        return {
            "motion": self.drawn.motion,
            "parameters": dict(self.drawn.parameters),
            "quads": np.round(self.drawn.quads_T42.astype(float), 6).tolist(),
            "curves": {k: np.round(v, 6).tolist() for k, v in curves(self.drawn.quads_T42, image_size, fps).items()},
            "frames": [_base64(encode_webp(frame[None], fps=fps, lossless=True, method=0)) for frame in self.frames_THWC],
            "key": self.key,
            "yaml": self.config,
        }


def registry() -> list[dict[str, Any]]:
    """Every built-in motion with its parameters, as plain values for the page."""
    return [
        {
            "name": name,
            "help": motion.help,
            "parameters": [
                {
                    "name": p.name,
                    "default": list(p.default) if isinstance(p.default, list | tuple) else p.default,
                    "low": p.low,
                    "high": p.high,
                    "unit": p.unit,
                    "help": p.help,
                    "log": p.log,
                    "choices": list(p.choices),
                }
                for p in motion.parameters
            ],
        }
        for name, motion in built_in_motions().items()
    ]


def make_studio_clip(book: PictureBook, request: ClipRequest) -> StudioClip:
    """Draw and render exactly as the job does for this picture. Raises ConfigError."""
    pixels = request.frames * request.width * request.height
    if pixels > MOST_PIXELS:
        raise ConfigError(
            f"{request.frames} frames of {request.width}x{request.height}: too much for a page; lower one of them"
        )
    picture, image_HWC = book.find(request.picture), book.image(request.picture)
    key = job_key(picture)
    drawn = draw(
        _checked_mix(request.motions),
        seed=derive_seed(request.seed, key),
        image_size=image_HWC.shape[:2],
        frames=request.frames,
        size=(request.height, request.width),
        fps=request.fps,
    )
    from transforms.render import render

    frames_THWC = render(image_HWC, drawn.quads_T42, size=(request.height, request.width))
    return StudioClip(frames_THWC, drawn, key, config_yaml(picture, request))


def draws(book: PictureBook, request: ClipRequest, count: int) -> list[dict[str, Any]]:
    """`count` small clips of the mix, as the seeds after the request's would draw them."""
    image_HWC, mix = book.small(request.picture), _checked_mix(request.motions)
    if not 1 <= count <= MOST_DRAWS:
        raise ConfigError(f"draws = {count}: 1 to {MOST_DRAWS}")
    key, size = job_key(book.find(request.picture)), _gallery_size(request.height, request.width)
    made = []
    for seed in range(request.seed, request.seed + count):
        drawn = draw(mix, seed=derive_seed(seed, key), image_size=image_HWC.shape[:2], frames=GALLERY_FRAMES, size=size)
        made.append({"seed": seed, "motion": drawn.motion, "clip": _base64(_tile(image_HWC, drawn, size))})
    return made


def gallery_tile(book: PictureBook, picture: str, motion: str, *, still: bool) -> bytes:
    """One motion on a picture, small, as a WebP that moves (or its first frame)."""
    image_HWC = book.small(picture)
    size = (GALLERY_SIDE, GALLERY_SIDE)
    drawn = sample_trajectory(motion, seed=1, image_size=image_HWC.shape[:2], frames=GALLERY_FRAMES, size=size, fps=GALLERY_FPS)
    return _tile(image_HWC, drawn, size, most=1 if still else None)


def _tile(image_HWC: np.ndarray, drawn: Trajectory, size: tuple[int, int], most: int | None = None) -> bytes:
    from transforms.render import render

    return encode_webp(render(image_HWC, drawn.quads_T42[:most], size=size), fps=GALLERY_FPS, quality=70, method=0)


def _gallery_size(height: int, width: int) -> tuple[int, int]:
    scale = GALLERY_SIDE / max(height, width)
    return max(16, round(height * scale)), max(16, round(width * scale))


def _checked_mix(motions: list[Any]) -> MotionMix:
    for entry in motions:
        name = entry.get("name") if isinstance(entry, dict) else entry
        if ":" in str(name):  # an import path runs code: that is for the command line, not for a page
            raise ConfigError(f"motion {name!r}: the page shows built-in motions; use `zoetrope preview` for your own")
    return MotionMix.make(motions)


def job_key(picture: StudioPicture) -> str:
    """The key that the folder source gives the only picture of a run."""
    stem = picture.name.rpartition(".")[0] or picture.name
    return f"folder-{0:08d}-{slug(stem, 60)}".rstrip("-")


def config_yaml(picture: StudioPicture, request: ClipRequest) -> str:
    """A config for `zoetrope animate` that makes this clip from this picture."""
    place = picture.uri if picture.uri is not None else picture.name
    caption = (picture.name.rpartition(".")[0] or picture.name) + ".txt"
    values = {
        "source": {"kind": "folder", "uri": only(place)},
        "output": "clips/",
        "seed": request.seed,
        "store": "frames",
        "motions": [_plain(entry) for entry in request.motions],
        "clip": {"frames": request.frames, "fps": request.fps, "size": [request.height, request.width]},
    }
    where = "" if picture.uri is not None else " (run it in the folder that holds the picture)"
    note = f"# zoetrope animate --config THIS_FILE{where}; the caption stands in {ascii(caption)[1:-1]}, beside the picture\n"
    return note + str(yaml.safe_dump(values, sort_keys=False, allow_unicode=True, width=110))


def only(path: str) -> str:
    """A glob that matches just this file: the source takes folders and globs."""
    folder, slash, name = path.rpartition("/")
    escaped = "".join(f"[{c}]" if c in "*?[" else c for c in name)
    first = next((i for i, c in enumerate(name) if c.isalnum()), None)
    if escaped == name and first is not None:
        escaped = f"{name[:first]}[{name[first]}]{name[first + 1 :]}"
    return folder + slash + escaped


def _plain(entry: Any) -> Any:
    if not isinstance(entry, dict):
        return entry
    kept = {k: v for k, v in entry.items() if not (k == "weight" and v == 1)}
    return kept["name"] if set(kept) == {"name"} else kept


def _base64(data: bytes) -> str:
    return base64.b64encode(data).decode("ascii")
