"""The store `mp4`: one H.264 video."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from transforms.media.video.mp4 import Pick, check_even, encode_mp4, iter_mp4
from transforms.stores.base import MAX_CLIP_PIXELS, Encoding, FrameStore, Members


class Mp4Store(FrameStore):
    """KEY.mp4."""

    name = "mp4"
    summary = "one video"

    def check_size(self, size: tuple[int, int]) -> None:
        """4:2:0 video needs even sides."""
        check_even(size)

    def describe(self, frames: int, extension: str) -> str:
        """Name the video."""
        return "`KEY.mp4`, the clip in H.264"

    def media(self, frames: int, extension: str) -> dict[str, str]:
        """One video."""
        return {"mp4": "video"}

    def encode(self, frames_THWC: np.ndarray, fps: float, encoding: Encoding) -> dict[str, bytes]:
        """Encode the video by `encoding.video`."""
        video = encoding.video
        return {"mp4": encode_mp4(frames_THWC, fps, crf=video.crf, preset=video.preset)}

    def stored(self, members: Members, pick: Pick = range) -> Iterator[np.ndarray]:
        """Yield the picked frames. All frames are decoded, and only the picked ones are converted to RGB."""
        if "mp4" not in members:
            raise ValueError(f"KEY.mp4 is missing; the sample has {', '.join(members)}")
        yield from iter_mp4(members["mp4"], pick, max_pixels=MAX_CLIP_PIXELS)
