"""Decode samples to uint8 frames, or to a picture and its camera path. Runs in the loader's workers.

The stores in `transforms.stores` decode the members; this module picks captions, epochs and paths.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Literal, NamedTuple, TypeVar

import numpy as np

from schemas.clip import ClipMeta
from schemas.keys import derive_seed
from storage.shards.read import RawSample
from trainer.data.augment.draw import MIRRORED, draw_changes
from trainer.data.augment.words import can_be_mirrored, mirrored
from trainer.data.config import DataConfig
from trainer.data.identity import Identity, identity_of, with_caption
from trainer.data.paths import PicturePaths
from trainer.data.pixels import Pixels
from transforms.captions import add_motion_phrase, append
from transforms.media.stored import decode_stored
from transforms.motions.phrases import motion_meaning
from transforms.stores.base import PictureStore, at_most, stored_path
from transforms.stores.registry import find_store

In = TypeVar("In")
Out = TypeVar("Out")


class Request(NamedTuple):
    """A clip to decode: in training, one of the paths over a sample's picture."""

    sample: RawSample
    epoch: int
    path: int = 0  # from 0; only pictures have more than one
    frames: int | None = None  # at most so many; None for the decoder's own limit


@dataclass(frozen=True, slots=True)
class Decoded:
    """One clip, ready for `collate`: either frames, or a picture with the camera's path."""

    key: str
    identity: Identity
    captions: tuple[str, ...]  # one in training, all in evaluation
    frames_THWC: np.ndarray | None  # uint8 RGB, at most `frames` of them
    picture_HWC: np.ndarray | None  # uint8 RGB, any size
    quads_T42: np.ndarray | None  # float32, fractions of the picture, T as above
    motion: str = ""  # as named in the mix; '' for real videos
    changes: np.ndarray | None = None  # float32 [8] of `trainer.data.augment.draw`; None for none


@dataclass(frozen=True, slots=True)
class _Opened:
    """A sample whose KEY.json has been read and checked."""

    request: Request
    meta: ClipMeta
    picture: bytes | None  # of a still


@dataclass(frozen=True, slots=True)
class _Described:
    """An opened sample with its path and captions."""

    opened: _Opened
    quads_T42: np.ndarray | None  # of a still
    captions: tuple[str, ...]
    said: str | None  # what the captions say of the motion
    motion: str
    changes: np.ndarray | None = None  # float32 [8], see `trainer.data.augment.draw`


class Decoder:
    """Decode for training (one caption, fresh camera paths) or for evaluation (all captions, as stored)."""

    def __init__(
        self,
        config: DataConfig,
        *,
        frames: int,
        size: tuple[int, int],
        seed: int,
        training: bool,
        captions: Literal["one", "all"] | None = None,
    ) -> None:
        """`frames` limits the frames of a clip; `size` is (height, width) that the model takes, in pixels.

        `captions`: None takes one in training and all in evaluation.
        """
        self._config = config
        self._frames = frames
        self._size = size
        self._seed = seed
        self._training = training
        if captions:
            self._all_captions = captions == "all"
        else:
            self._all_captions = not training
        self._fresh = training and config.camera == "fresh"
        self._single = training and config.camera == "picture"
        self._paths = PicturePaths(config, seed=seed, size=size)
        self._jitter = self._augment = None
        if training:
            self._jitter = config.frame_jitter
        if training and config.augment.changes:
            self._augment = config.augment
        self._equal_captions = training and config.equal_captions

    def __call__(self, sample: RawSample, epoch: int, path: int = 0) -> Decoded:
        """Decode one clip. Raises ValueError or OSError if a member is missing or broken."""
        (decoded,) = self.all([Request(sample, epoch, path)])
        if isinstance(decoded, Exception):
            raise decoded
        return decoded

    def all(self, requests: Sequence[Request], pixels: Pixels | None = None) -> list[Decoded | Exception]:
        """Decode clips; the error takes the place of a clip that cannot be decoded.

        The pictures of stills are decoded to `pixels`. All clips pass one step before the next step begins.
        So the code and tables of a step stay in the processor's cache, which saves a tenth of the time of a
        still.
        """
        opened = [_unless_broken(self._open, request) for request in requests]
        described = [_unless_broken(self._describe, sample) for sample in opened]
        return [_unless_broken(partial(self._decode, pixels=pixels), sample) for sample in described]

    def _open(self, request: Request) -> _Opened:
        meta = request.sample.meta()
        store = find_store(meta.store)
        picture = None
        if isinstance(store, PictureStore):
            picture = store.picture(request.sample.members)
        if picture is None and self._training and self._config.paths_per_picture > 1:
            raise ValueError(
                f"data.paths_per_picture = {self._config.paths_per_picture} needs shards of store still, "
                f"and this sample's is {meta.store}"
            )
        return _Opened(request, meta, picture)

    def _describe(self, opened: _Opened) -> _Described:
        """Describe a clip, and draw how its frames are changed. Its text follows a mirrored clip."""
        described = self._as_filmed(opened)
        if self._augment is None:
            return described
        request = opened.request
        seed = derive_seed(self._seed, request.sample.key, "augment", request.epoch, request.path)
        may_mirror = all(map(can_be_mirrored, described.captions))
        changes = draw_changes(self._augment, seed, may_mirror=may_mirror)
        if not changes[MIRRORED]:
            return replace(described, changes=changes)
        captions = tuple(map(mirrored, described.captions))
        said = None
        if described.said is not None:
            said = mirrored(described.said)
        return replace(described, captions=captions, said=said, changes=changes)

    def _as_filmed(self, opened: _Opened) -> _Described:
        """Find the path over a still, the captions, and what the captions say of the motion."""
        meta = opened.meta
        if opened.picture is not None and self._fresh:
            return self._describe_fresh(opened, opened.picture)
        if opened.picture is not None and self._single:
            return self._describe_single(opened, opened.picture)
        quads_T42 = None
        if opened.picture is not None:
            quads_T42 = stored_path(meta, at_most(self._limit(opened)))
        captions = self._captions(opened)
        phrase = meta.motion_phrase
        motion = ""
        if meta.kind == "animated":
            motion = meta.motion
        if not phrase or not (self._training or self._config.eval_motion_phrases):
            return _Described(opened, quads_T42, captions, None, motion)
        said = motion_meaning(meta.motion, meta.motion_parameters) or phrase
        with_phrase = tuple(append(caption, phrase) for caption in captions)
        return _Described(opened, quads_T42, with_phrase, said, motion)

    def _describe_fresh(self, opened: _Opened, picture: bytes) -> _Described:
        """Draw a path. The stored path's phrase describes another one, so it is left out."""
        request = opened.request
        path = self._paths.fresh(
            opened.meta,
            picture,
            shard=request.sample.shard,
            epoch=request.epoch,
            path=request.path,
            frames=self._limit(opened),
        )
        add = partial(
            add_motion_phrase,
            motion=path.motion,
            parameters=path.parameters,
            probability=self._config.motion_phrases,
            seed=derive_seed(self._seed, "phrases", request.epoch),
            key=opened.meta.key,
        )
        captions, phrases = zip(*(add(caption) for caption in self._captions(opened)), strict=True)
        said = None
        if phrases[0] is not None:
            said = motion_meaning(path.motion, path.parameters)
        return _Described(opened, path.quads_T42, captions, said, path.motion)

    def _describe_single(self, opened: _Opened, picture: bytes) -> _Described:
        """Take the largest view of the picture as one frame; where it is placed differs by epoch."""
        path = self._paths.single(opened.meta, picture, opened.request.epoch)
        return _Described(opened, path.quads_T42, self._captions(opened), None, path.motion)

    def _limit(self, opened: _Opened) -> int:
        """Return how many frames of a clip to take at most."""
        return opened.request.frames or self._frames

    def _decode(self, described: _Described, pixels: Pixels | None) -> Decoded:
        """Decode the pixels.

        This is the last step, so a sample that fails earlier takes no room in `pixels`.
        """
        opened = described.opened
        frames_THWC = picture_HWC = None
        if opened.picture is None:
            frames_THWC = self._frames_of(opened)
        elif pixels is None:
            picture_HWC = decode_stored(opened.picture)
        else:
            picture_HWC = pixels.decode(opened.picture)
        key = opened.request.sample.key
        identity = identity_of(opened.meta, described.said)
        if self._equal_captions:
            identity = with_caption(identity, described.captions[0])
        return Decoded(
            key=key,
            identity=identity,
            captions=described.captions,
            frames_THWC=frames_THWC,
            picture_HWC=picture_HWC,
            quads_T42=described.quads_T42,
            motion=described.motion,
            changes=described.changes,
        )

    def _frames_of(self, opened: _Opened) -> np.ndarray:
        sample = opened.request.sample
        pick = at_most(self._limit(opened))
        if self._jitter:
            rng = np.random.default_rng(derive_seed(self._seed, sample.key, "frames", opened.request.epoch))
            pick = at_most(self._limit(opened), rng, self._jitter)
        store = find_store(opened.meta.store)
        return np.stack(list(store.decode(sample.members, opened.meta, pick, self._size)))

    def _captions(self, opened: _Opened) -> tuple[str, ...]:
        """Return all captions or one of them, without phrases.

        Epochs take a sample's captions in turn, from one that its key chooses, so that each is used equally
        often.
        """
        meta, sample, epoch = opened.meta, opened.request.sample, opened.request.epoch
        captions = meta.all_captions
        if not captions:
            raise ValueError("no caption")
        if self._all_captions:
            return captions
        if self._config.captions == "first":
            return captions[:1]
        first = derive_seed(self._seed, sample.key, "caption")
        return (captions[(first + epoch) % len(captions)],)


def _unless_broken(step: Callable[[In], Out], value: In | Exception) -> Out | Exception:
    """Return the step's result or its error. A decoder may raise any kind of error on hostile bytes."""
    if isinstance(value, Exception):
        return value
    try:
        return step(value)
    except Exception as error:
        return error
