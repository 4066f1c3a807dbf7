"""A stored sample, whatever its store, as frames to look at."""

from __future__ import annotations

import io

import numpy as np
from PIL import Image

from preview.show.animation import encode_webp, shrink, thin
from storage.shards import RawSample, ShardError

SCREEN_SIDE, SCREEN_FRAMES = 320, 48  # of a clip as pages show it, at most


def load_frames(sample: RawSample) -> tuple[np.ndarray, float]:
    """uint8 RGB frames [T,H,W,3] and fps of a sample in store `frames`, `mp4` or `still` (rendered from its quads).

    Raises ShardError, naming shard and key, if a member is missing or does not decode.
    """
    meta = sample.meta()
    try:
        if meta.store == "frames":
            frames = [_decode(data) for data in sample.frames]
        elif meta.store == "mp4":
            from transforms.media.mp4 import decode_mp4

            frames = list(decode_mp4(sample.members["mp4"]))
        else:
            from transforms.rendering.render import render

            picture = next(
                data for name, data in sample.members.items() if name in ("jpg", "jpeg", "png", "webp")
            )
            frames = list(render(_decode(picture), meta.quads_T42(), size=(meta.height, meta.width)))
        return np.stack(frames), meta.fps
    except (KeyError, StopIteration, OSError, ValueError) as error:
        raise ShardError(f"{sample.shard}: {sample.key}: the {meta.store} cannot be shown: {error}") from None


def screen_webp(frames_THWC: np.ndarray, fps: float, *, still: bool = False) -> bytes:
    """Frames as a page shows them: a looping WebP of at most SCREEN_SIDE pixels and SCREEN_FRAMES, or the first frame alone."""
    chosen = frames_THWC[:1] if still else frames_THWC
    frames, fps = thin(shrink(chosen, longest=SCREEN_SIDE), fps, most=SCREEN_FRAMES)
    return encode_webp(frames, fps=fps, quality=75, method=0)


def _decode(data: bytes) -> np.ndarray:
    with Image.open(io.BytesIO(data)) as image:
        return np.asarray(image.convert("RGB"))
