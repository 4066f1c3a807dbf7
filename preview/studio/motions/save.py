"""A clip of the page as a file to keep."""

from __future__ import annotations

from preview.show.animation import encode_animation
from preview.studio.motions.clip import make_studio_clip
from preview.studio.motions.request import ClipRequest
from preview.studio.pictures import PictureBook
from schemas.errors import ConfigError
from transforms.stores.read import read_clip

KINDS = {"gif": "image/gif", "webp": "image/webp", "mp4": "video/mp4", "png": "image/png"}


def save_clip(book: PictureBook, request: ClipRequest, kind: str) -> bytes:
    """Encode the clip as `kind`, one of KINDS; a PNG is a contact sheet. Raises ConfigError."""
    if kind not in KINDS:
        raise ConfigError(f"as = {kind[:20]!r}: it must be one of {', '.join(KINDS)}")
    clip = make_studio_clip(book, request).clip
    frames_THWC = read_clip(clip.members, clip.meta)
    return encode_animation(frames_THWC, fps=request.fps, ending=f".{kind}")
