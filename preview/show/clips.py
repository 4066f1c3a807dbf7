"""Stored samples as frames to look at."""

from __future__ import annotations

import numpy as np

from preview.show.animation import encode_webp, shrink, thin
from schemas.text import one_line
from storage.shards.read import RawSample, ShardError
from transforms.stores.read import read_clip

SLOWEST_FPS, FASTEST_FPS = 0.1, 1000.0
SCREEN_SIDE, SCREEN_FRAMES = 320, 48  # of a clip as pages show it, at most


def load_frames(sample: RawSample) -> tuple[np.ndarray, float]:
    """Decode a stored clip to uint8 RGB [T,H,W,3] and its fps, which is kept within what animations can show.

    A still is rendered from its quads.

    Raises ShardError, naming shard and key, if a member is missing or does not decode.
    """
    meta = sample.meta()
    try:
        return read_clip(sample.members, meta), min(max(meta.fps, SLOWEST_FPS), FASTEST_FPS)
    except (OSError, ValueError) as error:
        reason = one_line(error)
        raise ShardError(
            f"{sample.shard}: {sample.key}: the {meta.store} cannot be shown: {reason}"
        ) from None


def screen_webp(frames_THWC: np.ndarray, fps: float, *, still: bool = False) -> bytes:
    """Encode frames for a page: a looping WebP of at most SCREEN_SIDE pixels and SCREEN_FRAMES frames.

    `still` encodes the first frame alone.
    """
    chosen = frames_THWC
    if still:
        chosen = frames_THWC[:1]
    frames, fps = thin(shrink(chosen, longest=SCREEN_SIDE), fps, most=SCREEN_FRAMES)
    return encode_webp(frames, fps=fps, quality=75, method=0)
