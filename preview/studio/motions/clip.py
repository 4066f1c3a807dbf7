"""The clip for a request of the page, made as the job makes it."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from preview.studio.motions.recipe import job_key, texts_of
from preview.studio.motions.request import ClipRequest
from preview.studio.pictures import PictureBook
from schemas.errors import ConfigError
from schemas.records import Reference, SampleError
from transforms.clip import Clip, make_clip
from transforms.motions import MotionMix, curves
from transforms.settings import ClipConfig, ClipSettings
from transforms.stores.frames import encoded_frames

MOST_PIXELS = 32_000_000  # of a clip: frames x width x height


@dataclass(frozen=True)
class StudioClip:
    """A clip as the job writes it, and the texts that make it again."""

    clip: Clip
    texts: Mapping[str, str]  # as `recipe.texts_of` returns them

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
            "yaml": self.texts["config"],
            "texts": dict(self.texts),
        }


def make_studio_clip(book: PictureBook, request: ClipRequest) -> StudioClip:
    """Make the sample that the job makes of this picture. Raises ConfigError."""
    picture = book.find(request.picture)
    reference = Reference(job_key(picture), (picture.name,), "folder")
    try:
        clip = make_clip(book.data(request.picture), reference, settings_of(request))
    except SampleError as error:
        raise ConfigError(f"{picture.name}: {error.reason}: {error.detail}") from None
    return StudioClip(clip, texts_of(picture, request, clip.meta))


def settings_of(request: ClipRequest) -> ClipSettings:
    """Return the job's settings for a request. Raises ConfigError, also for a clip that is too large."""
    pixels = request.frames * request.width * request.height
    if pixels > MOST_PIXELS:
        raise ConfigError(
            f"frames + width + height = {request.frames} frames of {request.width}x{request.height}: "
            f"too much for a page, which shows {MOST_PIXELS // 10**6} million pixels; lower one of them"
        )
    shape = ClipConfig(frames=request.frames, fps=request.fps, size=(request.height, request.width))
    return ClipSettings(seed=request.seed, clip=shape, motions=_checked_mix(request.motions, request.focus))


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


def _base64(data: bytes) -> str:
    return base64.b64encode(data).decode("ascii")
