"""The interface of a store. Every reader and writer of clips goes through it and knows no store by name."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from typing import ClassVar

import numpy as np

from schemas.clip import ClipMeta
from transforms.media.encode import EncodeConfig
from transforms.media.fit import fit
from transforms.media.pictures import Header
from transforms.media.stored import decode_stored
from transforms.media.video.mp4 import Pick, VideoConfig
from transforms.rendering.homography import checked_quads
from transforms.rendering.render import render
from transforms.stores.picking import jittered_indices, sample_indices

MAX_CLIP_PIXELS = 1_000_000_000  # over all frames of a clip

Members = Mapping[str, bytes]  # extension after the key ("000.jpg", "mp4", "txt", "json") -> bytes


@dataclass(frozen=True, slots=True)
class Encoding:
    """How frames, stills and videos are encoded."""

    encode: EncodeConfig
    video: VideoConfig


@dataclass(frozen=True, slots=True, eq=False)
class Still:
    """A decoded source picture, for stores that keep the picture instead of frames."""

    data: bytes  # the encoded source picture
    header: Header
    image_HWC: np.ndarray  # uint8 RGB, upright
    quads_T42: np.ndarray  # float32, the views that must stay sharp, in fractions of the picture
    size: tuple[int, int]  # (height, width) of the frames that readers render, pixels


class Store(ABC):
    """One way to store a clip. Stores hold no state."""

    name: ClassVar[str]  # the value of `store` in a config and in KEY.json
    summary: ClassVar[str]  # for the config's help

    def check_size(self, size: tuple[int, int]) -> None:  # noqa: B027 - most stores take any size
        """Raise ValueError if frames of `size` = (height, width) cannot be stored."""

    @abstractmethod
    def describe(self, frames: int, extension: str) -> str:
        """Name the members of a sample in Markdown. `extension` is the format of encoded frames."""

    def media(self, frames: int, extension: str) -> dict[str, str]:
        """Map the names of the members that hold pixels to `image` or `video`, in the order of the shard.

        `frames` are the most that a clip has, `extension` is the format of encoded frames. Data set viewers
        show no pixels of a store that says nothing.
        """
        return {}

    @abstractmethod
    def decode(
        self, members: Members, meta: ClipMeta, pick: Pick = range, size: tuple[int, int] | None = None
    ) -> Iterator[np.ndarray]:
        """Yield the picked frames as uint8 RGB [h,w,3], at `size` = (height, width) or as stored.

        Raises ValueError.
        """

    @abstractmethod
    def shapes(self, members: Members, meta: ClipMeta) -> list[tuple[int, int]]:
        """Decode everything that is stored and return (height, width) of each frame. Raises ValueError."""


class FrameStore(Store):
    """A store of rendered frames."""

    takes_rgbx: ClassVar[bool] = False  # `encode` takes [T,h,w,4] with a byte of padding per pixel

    @abstractmethod
    def encode(self, frames_THWC: np.ndarray, fps: float, encoding: Encoding) -> dict[str, bytes]:
        """Encode uint8 RGB frames as members, in the order of the shard."""

    @abstractmethod
    def stored(self, members: Members, pick: Pick = range) -> Iterator[np.ndarray]:
        """Yield the picked frames at their stored size. Sizes are checked before anything is decoded."""

    def decode(
        self, members: Members, meta: ClipMeta, pick: Pick = range, size: tuple[int, int] | None = None
    ) -> Iterator[np.ndarray]:
        """Yield the picked frames, fitted to `size` if it is given."""
        for frame_HWC in self.stored(members, pick):
            if size is not None:
                frame_HWC = fit(frame_HWC, size)
            yield frame_HWC

    def shapes(self, members: Members, meta: ClipMeta) -> list[tuple[int, int]]:
        """Return (height, width) of every stored frame."""
        return [(frame_HWC.shape[0], frame_HWC.shape[1]) for frame_HWC in self.stored(members)]


class PictureStore(Store):
    """A store of the still picture, which readers render along the path in KEY.json."""

    @abstractmethod
    def keep(self, still: Still, encoding: Encoding) -> dict[str, bytes]:
        """Encode the picture as members."""

    @abstractmethod
    def picture(self, members: Members) -> bytes:
        """The encoded picture. Raises ValueError if it is missing."""

    def decode(
        self, members: Members, meta: ClipMeta, pick: Pick = range, size: tuple[int, int] | None = None
    ) -> Iterator[np.ndarray]:
        """Yield the picked frames, rendered at `size` or at the size in KEY.json."""
        quads_T42 = stored_path(meta, pick)
        size = size or (meta.height, meta.width)
        check_pixels(len(quads_T42), size)
        yield from render(decode_stored(self.picture(members)), quads_T42, size=size)

    def shapes(self, members: Members, meta: ClipMeta) -> list[tuple[int, int]]:
        """Decode the picture and return the size in KEY.json for every view of the path."""
        decode_stored(self.picture(members))
        return [(meta.height, meta.width)] * len(meta.quads)


def stored_path(meta: ClipMeta, pick: Pick = range) -> np.ndarray:
    """The picked views of the path in KEY.json, float32 [T,4,2].

    Raises ValueError for a path that cannot be rendered.
    """
    quads_T42 = meta.quads_T42()
    if not len(quads_T42):
        raise ValueError("KEY.json has no quads to animate the still by")
    checked_quads(quads_T42)
    return quads_T42[list(pick(len(quads_T42)))]


def check_pixels(frames: int, size: tuple[int, int]) -> None:
    """Raise ValueError for a clip of more than MAX_CLIP_PIXELS pixels."""
    if frames * size[0] * size[1] > MAX_CLIP_PIXELS:
        raise ValueError(
            f"{frames} frames of {size[1]}x{size[0]}: more than {MAX_CLIP_PIXELS} pixels over its frames"
        )


def at_most(limit: int, rng: np.random.Generator | None = None, jitter: str = "clip2video") -> Pick:
    """A pick of at most `limit` frames: evenly spaced, or with `rng` by `jittered_indices`."""
    if rng is None:
        return partial(sample_indices, limit=limit)
    return partial(jittered_indices, limit=limit, rng=rng, kind=jitter)
