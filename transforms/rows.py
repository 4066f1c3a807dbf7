"""The row of samples.parquet that describes a finished sample."""

from __future__ import annotations

from typing import Any

from schemas.clip import scores_text
from transforms.clip import Clip
from transforms.motions.trajectory import zoom_of


def sample_row(clip: Clip, shard: str) -> dict[str, Any]:
    """The row of samples.parquet (schemas.manifest.SAMPLES)."""
    meta = clip.meta
    quads_T42 = meta.quads_T42()
    motion, zoom = "", 1.0
    if meta.kind == "animated":
        motion = meta.motion
    if len(quads_T42):
        zoom = zoom_of(quads_T42)
    return {
        "key": meta.key,
        "shard": shard,
        "caption": meta.caption,
        "motion": motion,
        "frames": meta.frames,
        "width": meta.width,
        "height": meta.height,
        "original_width": meta.original_width,
        "original_height": meta.original_height,
        "zoom": zoom,
        "bytes": sum(len(data) for data in clip.members.values()),
        "source": meta.source,
        "url": meta.url,
        "image_id": meta.image_id,
        "scores": scores_text(meta.scores),
    }
