"""Decode samples to uint8 frames, or to a picture and the camera's path over it. Runs in the loader's workers.

The stores in `transforms.stores` decode the members; this module picks captions, epochs and paths.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TypeVar

import numpy as np

from schemas.clip import ClipMeta
from schemas.keys import derive_seed
from storage.shards.read import RawSample
from trainer.data.config import DataConfig
from trainer.data.pixels import Pixels
from transforms.media.stored import decode_stored, stored_size
from transforms.motions.mix import draw
from transforms.stores.base import PictureStore, at_most, stored_path
from transforms.stores.registry import find_store

In = TypeVar("In")
Out = TypeVar("Out")


@dataclass(frozen=True, slots=True)
class Decoded:
    """One sample, ready for `collate`: either frames, or a picture with the camera's path."""

    key: str
    video_id: int  # int64; equal for samples of the same picture or video
    captions: tuple[str, ...]  # one in training, all in evaluation
    frames_THWC: np.ndarray | None  # uint8 RGB, at most `frames` of them
    picture_HWC: np.ndarray | None  # uint8 RGB, any size
    quads_T42: np.ndarray | None  # float32, fractions of the picture, T as above


@dataclass(frozen=True, slots=True)
class _Opened:
    """A sample whose KEY.json has been read and checked."""

    sample: RawSample
    epoch: int
    meta: ClipMeta
    captions: tuple[str, ...]
    picture: bytes | None  # of a still


class Decoder:
    """Decodes samples for training (one caption, a fresh camera path per epoch) or evaluation (all captions, as stored)."""

    def __init__(
        self, config: DataConfig, *, frames: int, size: tuple[int, int], seed: int, training: bool
    ) -> None:
        """`frames` limits the frames of a clip; `size` is (height, width) that the model takes, in pixels."""
        self._config = config
        self._frames = frames
        self._size = size
        self._seed = seed
        self._training = training
        self._fresh = training and config.camera == "fresh"
        self._jitter = training and config.frame_jitter == "clip2video"

    def __call__(self, sample: RawSample, epoch: int) -> Decoded:
        """Decode one sample. Raises ValueError or OSError if a member is missing or broken."""
        (decoded,) = self.all([(sample, epoch)])
        if isinstance(decoded, Exception):
            raise decoded
        return decoded

    def all(
        self, samples: Sequence[tuple[RawSample, int]], pixels: Pixels | None = None
    ) -> list[Decoded | Exception]:
        """Decode samples, each with its epoch; the error takes the place of a sample that cannot be decoded.

        The pictures of stills are decoded to `pixels`. All samples pass one step before the next step begins: the code and
        tables of a step stay in the processor's cache, which saves a tenth of the time of a still.
        """
        opened = [_unless_broken(self._open, sample) for sample in samples]
        moved = [_unless_broken(self._with_path, sample) for sample in opened]
        return [_unless_broken(partial(self._decode, pixels=pixels), sample) for sample in moved]

    def _open(self, sample_and_epoch: tuple[RawSample, int]) -> _Opened:
        sample, epoch = sample_and_epoch
        meta = sample.meta()
        store = find_store(meta.store)
        picture = store.picture(sample.members) if isinstance(store, PictureStore) else None
        return _Opened(sample, epoch, meta, self._captions(sample, meta, epoch, picture is not None), picture)

    def _with_path(self, opened: _Opened) -> tuple[_Opened, np.ndarray | None]:
        if opened.picture is None:
            return opened, None
        if self._fresh:
            return opened, self._draw(opened, opened.picture)
        return opened, stored_path(opened.meta, at_most(self._frames))

    def _decode(self, moved: tuple[_Opened, np.ndarray | None], pixels: Pixels | None) -> Decoded:
        """Decode the pixels. This is the last step, so a sample that fails earlier takes no room in `pixels`."""
        opened, quads_T42 = moved
        sample, picture = opened.sample, opened.picture
        frames_THWC = picture_HWC = None
        if picture is None:
            frames_THWC = self._frames_of(opened)
        elif pixels is None:
            picture_HWC = decode_stored(picture)
        else:
            picture_HWC = pixels.decode(picture)
        identity = video_id(opened.meta)
        return Decoded(sample.key, identity, opened.captions, frames_THWC, picture_HWC, quads_T42)

    def _frames_of(self, opened: _Opened) -> np.ndarray:
        rng = None
        if self._jitter:
            rng = np.random.default_rng(derive_seed(self._seed, opened.sample.key, "frames", opened.epoch))
        store, pick = find_store(opened.meta.store), at_most(self._frames, rng)
        return np.stack(list(store.decode(opened.sample.members, opened.meta, pick, self._size)))

    def _draw(self, opened: _Opened, picture: bytes) -> np.ndarray:
        trajectory = draw(
            self._config.motions,
            seed=derive_seed(self._seed, opened.meta.key, "epoch", opened.epoch),
            image_size=stored_size(picture),
            frames=self._frames,
            size=self._size,
            fps=opened.meta.fps,
        )
        return trajectory.quads_T42

    def _captions(self, sample: RawSample, meta: ClipMeta, epoch: int, is_still: bool) -> tuple[str, ...]:
        """Return all captions in evaluation, one of them in training.

        A motion phrase describes the stored path, so it is dropped where a fresh path is drawn.
        """
        captions = meta.captions or ((meta.caption,) if meta.caption else ())
        if not captions:
            raise ValueError("no caption")
        if not self._training:
            return captions
        chosen = captions[derive_seed(self._seed, sample.key, "caption", epoch) % len(captions)]
        redrawn = self._fresh and is_still
        if meta.motion_phrase and not redrawn:
            chosen = f"{chosen} {meta.motion_phrase}"
        return (chosen,)


def _unless_broken(step: Callable[[In], Out], value: In | Exception) -> Out | Exception:
    """Return the step's result or its error. A decoder may raise any kind of error on hostile bytes."""
    if isinstance(value, Exception):
        return value
    try:
        return step(value)
    except Exception as error:
        return error


def video_id(meta: ClipMeta) -> int:
    """Hash the identity of the picture or video to a signed 64-bit integer, so that a tensor can hold it."""
    text = f"{meta.source}\x1f{meta.image_id or meta.key}"
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest(), "big", signed=True)
