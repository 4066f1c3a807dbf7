"""The studio's motions: their parameters, the clip for a request, and the config that makes it again."""

from __future__ import annotations

import base64
from dataclasses import dataclass
from functools import partial
from typing import Any, Literal

import numpy as np
import yaml
from pydantic import Field

from preview.show.animation import encode_webp, thin
from preview.studio.pictures import PictureBook, StudioPicture
from schemas.config import Config
from schemas.errors import ConfigError
from schemas.keys import slug
from schemas.records import Reference, SampleError
from transforms.clip import Clip, ClipConfig, ClipSettings, draw_motion, make_clip
from transforms.motions import MotionMix, built_in_motions, curves, find_motion, sample_motion
from transforms.motions.builtin.keyframes import keyframes
from transforms.rendering.render import render
from transforms.stores.frames import encoded_frames
from transforms.subject.subject import find_subject

GALLERY_SIDE, GALLERY_FRAMES, GALLERY_FPS = 128, 16, 12.0
MOST_PIXELS = 32_000_000  # of a clip: frames x width x height
MOST_DRAWS = 24


class ClipRequest(Config):
    """A request of the page: one clip of one picture."""

    picture: str = Field(description="id")
    motions: list[Any] = Field(
        min_length=1, max_length=60, description="as in a config: names, or {name, weight, parameter: value}"
    )
    focus: Literal["any", "subject"] = Field("any", description="as motions.focus in a config")
    seed: int = Field(0, ge=0, le=2**53, description="the run's seed; a page has no larger integers")
    frames: int = Field(12, ge=1, le=120)
    fps: float = Field(8.0, gt=0, le=60)
    width: int = Field(224, ge=16, le=1024, description="pixels")
    height: int = Field(224, ge=16, le=1024, description="pixels")


@dataclass(frozen=True)
class StudioClip:
    """A clip as the job writes it, and the config that makes the job write it."""

    clip: Clip
    config: str  # YAML

    def to_plain(self) -> dict[str, Any]:
        """Convert to JSON values. The frames are the members of a shard, in base64."""
        meta = self.clip.meta
        quads_T42 = meta.quads_T42()
        found = curves(quads_T42, (meta.original_height, meta.original_width), meta.fps)
        return {
            "key": meta.key,
            "motion": meta.motion,
            "parameters": dict(meta.motion_parameters),
            "quads": np.round(quads_T42.astype(float), 6).tolist(),
            "curves": {name: np.round(values, 6).tolist() for name, values in found.items()},
            "frames": [_base64(data) for data in encoded_frames(self.clip.members)],
            "yaml": self.config,
        }


def registry() -> list[dict[str, Any]]:
    """Describe the built-in motions with their parameters, as plain values for the page.

    `keyframes` is left out: its views are written by hand, and the page has sliders.
    """
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
        if motion is not keyframes
    ]


def make_studio_clip(book: PictureBook, request: ClipRequest) -> StudioClip:
    """Make the sample that the job makes of this picture. Raises ConfigError."""
    picture = book.find(request.picture)
    reference = Reference(job_key(picture), (picture.name,), "folder")
    try:
        clip = make_clip(book.data(request.picture), reference, _settings(request))
    except SampleError as error:
        raise ConfigError(f"{picture.name}: {error.reason}: {error.detail}") from None
    return StudioClip(clip, config_yaml(picture, request))


def _settings(request: ClipRequest) -> ClipSettings:
    pixels = request.frames * request.width * request.height
    if pixels > MOST_PIXELS:
        raise ConfigError(
            f"{request.frames} frames of {request.width}x{request.height}: too much for a page; "
            "lower one of them"
        )
    shape = ClipConfig(frames=request.frames, fps=request.fps, size=(request.height, request.width))
    return ClipSettings(seed=request.seed, clip=shape, motions=_checked_mix(request.motions, request.focus))


def draws(book: PictureBook, request: ClipRequest, count: int) -> list[dict[str, Any]]:
    """Make `count` (1 to MOST_DRAWS) small clips of the mix: the draws of this seed and the next ones."""
    if not 1 <= count <= MOST_DRAWS:
        raise ConfigError(f"draws = {count}: 1 to {MOST_DRAWS}")
    settings, image_HWC = _settings(request), book.small(request.picture)
    key, image_size = job_key(book.find(request.picture)), book.size(request.picture)
    scale = min(1.0, GALLERY_SIDE / max(request.height, request.width))
    size = max(16, round(request.height * scale)), max(16, round(request.width * scale))
    subject = None
    if settings.motions.focus == "subject":
        subject = find_subject((), image_size, partial(book.small, request.picture))
    made = []
    for seed in range(request.seed, request.seed + count):
        drawn = draw_motion(settings.model_copy(update={"seed": seed}), key, image_size, subject)
        frames, fps = thin(drawn.quads_T42, request.fps, most=GALLERY_FRAMES)
        made.append(
            {"seed": seed, "motion": drawn.motion, "clip": _base64(_tile(image_HWC, frames, size, fps))}
        )
    return made


def gallery_tile(book: PictureBook, picture: str, motion: str, *, still: bool) -> bytes:
    """Show one motion on a picture as a small looping WebP, or as its first frame."""
    if ":" in motion:
        raise ConfigError(f"motion {motion!r}: the page shows built-in motions")
    find_motion(motion)
    image_HWC = book.small(picture)
    size = (GALLERY_SIDE, GALLERY_SIDE)
    quads_T42 = sample_motion(
        motion, seed=1, image_size=image_HWC.shape[:2], frames=GALLERY_FRAMES, size=size, fps=GALLERY_FPS
    )
    return _tile(image_HWC, quads_T42[:1] if still else quads_T42, size, GALLERY_FPS)


def _tile(image_HWC: np.ndarray, quads_T42: np.ndarray, size: tuple[int, int], fps: float) -> bytes:
    return encode_webp(render(image_HWC, quads_T42, size=size), fps=fps, quality=70, method=0)


def _checked_mix(motions: list[Any], focus: str) -> MotionMix:
    for entry in motions:
        name = entry
        if isinstance(entry, dict):
            name = entry.get("name")
        if ":" in str(name):  # an import path runs code, which only the command line may do
            raise ConfigError(
                f"motion {name!r}: the page shows built-in motions; use `zoetrope preview` for your own"
            )
    return MotionMix.make({"focus": focus, "mix": motions})


def job_key(picture: StudioPicture) -> str:
    """Return the key that the folder source gives to the only picture of a run."""
    stem = picture.name.rpartition(".")[0] or picture.name
    return f"folder-{0:08d}-{slug(stem, 60)}".rstrip("-")


def config_yaml(picture: StudioPicture, request: ClipRequest) -> str:
    """Write a config for `zoetrope animate` that makes this clip from this picture."""
    place = picture.uri if picture.uri is not None else picture.name
    chosen: Any = [_plain(entry) for entry in request.motions]
    if request.focus != "any":
        chosen = {"focus": request.focus, "mix": chosen}
    caption = (picture.name.rpartition(".")[0] or picture.name) + ".txt"
    values = {
        "source": {"kind": "folder", "uri": only(place)},
        "output": "clips/",
        "seed": request.seed,
        "store": "frames",
        "motions": chosen,
        "clip": {"frames": request.frames, "fps": request.fps, "size": [request.height, request.width]},
    }
    where = "" if picture.uri is not None else " (run it in the folder that holds the picture)"
    caption = ascii(caption)[1:-1]
    note = f"# zoetrope animate --config THIS_FILE{where}; {caption} next to the picture has its caption\n"
    # lists of numbers on one line, everything else on its own
    return note + str(
        yaml.safe_dump(values, sort_keys=False, allow_unicode=True, width=110, default_flow_style=None)
    )


def only(path: str) -> str:
    """Return a glob that matches this file alone: the source takes folders and globs."""
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
    if set(kept) == {"name"}:
        return kept["name"]
    return kept


def _base64(data: bytes) -> str:
    return base64.b64encode(data).decode("ascii")
