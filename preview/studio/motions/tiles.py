"""Small moving clips: every motion on a picture, and one motion or mix drawn with several seeds."""

from __future__ import annotations

import base64
from functools import partial
from typing import Any

import numpy as np

from preview.show.animation import encode_webp, thin
from preview.studio.motions.clip import settings_of
from preview.studio.motions.recipe import job_key
from preview.studio.motions.request import ClipRequest
from preview.studio.pictures import PictureBook
from schemas.errors import ConfigError
from transforms.clip import draw_motion
from transforms.motions import find_motion, sample_motion
from transforms.rendering.render import render
from transforms.subject.subject import find_subject

GALLERY_SIDE, GALLERY_FRAMES, GALLERY_FPS = 128, 16, 12.0
MOST_DRAWS = 24


def draws(book: PictureBook, request: ClipRequest, count: int) -> list[dict[str, Any]]:
    """Make `count` (1 to MOST_DRAWS) small clips of the mix: the draws of this seed and the next ones."""
    if not 1 <= count <= MOST_DRAWS:
        raise ConfigError(f"draws = {count}: 1 to {MOST_DRAWS}")
    settings, image_HWC = settings_of(request), book.small(request.picture)
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
    if still:
        quads_T42 = quads_T42[:1]
    return _tile(image_HWC, quads_T42, size, GALLERY_FPS)


def _tile(image_HWC: np.ndarray, quads_T42: np.ndarray, size: tuple[int, int], fps: float) -> bytes:
    return encode_webp(render(image_HWC, quads_T42, size=size), fps=fps, quality=70, method=0)


def _base64(data: bytes) -> str:
    return base64.b64encode(data).decode("ascii")
