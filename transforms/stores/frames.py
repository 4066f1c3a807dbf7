"""The store `frames`: an encoded picture per frame."""

from __future__ import annotations

import re
from collections.abc import Iterator

import numpy as np

from transforms.media.encode import encode_frames
from transforms.media.stored import decode_stored, stored_size
from transforms.media.video.mp4 import Pick
from transforms.stores.base import MAX_CLIP_PIXELS, Encoding, FrameStore, Members

_FRAME = re.compile(r"\d{3}\.")  # of an extension: 000.jpg, 001.jpg, ...


class FramesStore(FrameStore):
    """KEY.000.jpg, KEY.001.jpg and so on; PNG and WebP as well."""

    name = "frames"
    summary = "a picture per frame"
    takes_rgbx = True

    def describe(self, frames: int, extension: str) -> str:
        """Name the first and the last frame."""
        return f"`KEY.000.{extension}` to `KEY.{frames - 1:03d}.{extension}`, the frames"

    def media(self, frames: int, extension: str) -> dict[str, str]:
        """An image per frame."""
        return {f"{index:03d}.{extension}": "image" for index in range(frames)}

    def encode(self, frames_THWC: np.ndarray, fps: float, encoding: Encoding) -> dict[str, bytes]:
        """Encode each frame in `encoding.encode.format`."""
        encoded = encode_frames(frames_THWC, encoding.encode)
        return {f"{index:03d}.{encoding.encode.format}": data for index, data in enumerate(encoded)}

    def stored(self, members: Members, pick: Pick = range) -> Iterator[np.ndarray]:
        """Yield the picked frames. Only their pictures are decoded."""
        encoded = encoded_frames(members)
        if not encoded:
            raise ValueError("the sample has no frames")
        picked = [encoded[ordinal] for ordinal in pick(len(encoded))]
        pixels = sum(height * width for height, width in map(stored_size, picked))
        if pixels > MAX_CLIP_PIXELS:
            raise ValueError(
                f"{len(picked)} frames have {pixels} pixels, over the limit of {MAX_CLIP_PIXELS}"
            )
        for data in picked:
            yield decode_stored(data)


def encoded_frames(members: Members) -> list[bytes]:
    """The encoded frames of a sample in order."""
    return [data for extension, data in sorted(members.items()) if _FRAME.match(extension)]
