"""Batches between a worker and the device: uint8 pixels, token ids, identities, the reader's cursor."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, fields, replace
from typing import Any

import numpy as np
import torch
from torch import Tensor

from trainer.data.augment.draw import UNCHANGED
from trainer.data.decode import Decoded
from trainer.data.order import Cursor, Position
from trainer.data.packing import Packing, pack
from trainer.data.pixels import new_bytes
from trainer.data.shards import Dropped
from transforms.rendering.parts import Plan
from transforms.rendering.plan import plan_batch

# Captions -> ids [C,L] and mask [C,L] (1 = a token), both int64.
Tokenize = Callable[[Sequence[str]], tuple[Tensor, Tensor]]


@dataclass
class Batch:
    """B samples with C captions (C = B in training). F of the samples came as frames, S as stills; F + S = B.

    Pictures of different sizes lie one after another in one tensor, so that a batch crosses to the device in
    few copies.
    """

    keys: list[str]
    captions: list[str]
    identities: Tensor  # int64 [B,3], see `trainer.data.identity`
    token_ids: Tensor  # int64 [C,L]
    token_mask: Tensor  # int64 [C,L]
    caption_video: Tensor  # int64 [C], the sample in this batch that a caption describes
    frame_mask: Tensor  # int64 [B,T], 1 = a frame
    frames: Tensor  # uint8 [F,T,h,w,3], padding is 0
    frame_rows: Tensor  # int64 [F], where in the batch those samples stand
    pixels: Tensor  # uint8 [P], pictures of the stills, RGB, row by row
    picture_sizes: list[tuple[int, int]]  # S of (height, width)
    quads: Tensor  # float32 [S,T,4,2], padded by repeating the last view
    still_rows: Tensor  # int64 [S]
    plan: Plan | None = None  # how a GPU renders the stills; made in the worker, which has the time
    plan_words: Tensor = field(default_factory=lambda: torch.empty(0, dtype=torch.int32))
    packing: Packing | None = None  # which frames are encoded, if not all
    # float32 [B,8], how each clip's frames are changed; [0,8] if none is
    changes: Tensor = field(default_factory=lambda: torch.empty(0, 8))
    # int64 [R,K], the patches of each encoded frame; [0,0] for all
    patches: Tensor = field(default_factory=lambda: torch.empty(0, 0, dtype=torch.int64))
    position: Position = (Cursor(),)  # of the worker that made the batch, after it
    dropped: tuple[Dropped, ...] = ()  # samples that the worker dropped since its last batch
    # in an evaluation, of each sample: number of the shard, and position in it
    places: list[tuple[int, int]] = field(default_factory=list)

    def __len__(self) -> int:
        return len(self.keys)

    def __getstate__(self) -> dict[str, Any]:
        """Send only pictures and frames in shared memory.

        Shared memory costs a file descriptor and a connection per tensor, more than a small tensor's bytes.
        """
        state = dict(vars(self))
        for name, value in state.items():
            if isinstance(value, Tensor) and name not in ("pixels", "frames"):
                state[name] = value.numpy()
        return state

    def __setstate__(self, state: dict[str, Any]) -> None:
        for name, value in state.items():
            if isinstance(value, np.ndarray):
                value = torch.from_numpy(value)
            setattr(self, name, value)

    def pictures(self) -> list[Tensor]:
        """The stills' pictures, uint8 [H,W,3], as views of `pixels`."""
        parts = self.pixels.split([height * width * 3 for height, width in self.picture_sizes])
        return [part.view(*size, 3) for part, size in zip(parts, self.picture_sizes, strict=True)]

    def pin_memory(self) -> Batch:
        """Called by the DataLoader: page-locked tensors can be copied to the device while it computes."""
        packing = None
        if self.packing is not None:
            packing = self.packing.pin_memory()
        return replace(self._map(lambda tensor: tensor.pin_memory()), packing=packing)

    def to(self, device: torch.device) -> Batch:
        """A copy on the device, without waiting for it."""
        packing = None
        if self.packing is not None:
            packing = self.packing.to(device)
        return replace(self._map(lambda tensor: tensor.to(device, non_blocking=True)), packing=packing)

    def _map(self, function: Callable[[Tensor], Tensor]) -> Batch:
        tensors = {f.name: v for f in fields(self) if isinstance(v := getattr(self, f.name), Tensor)}
        changed: dict[str, Any] = {name: function(tensor) for name, tensor in tensors.items()}
        return replace(self, **changed)


def collate(
    samples: Sequence[Decoded],
    pixels: Tensor | None = None,
    *,
    tokenize: Tokenize,
    frames: int,
    size: tuple[int, int],
    plan: bool = False,
    shared: bool = False,
) -> Batch:
    """Put decoded samples together; clips are padded to `frames` = T.

    `pixels` are the stills' pictures one after another, if they were decoded to such a place (`Pixels.take`).
    With `plan` the rendering of the stills on a GPU is planned too. With `shared` the frames are in memory
    that the training process maps, as `pixels` are.
    """
    moving = [i for i, sample in enumerate(samples) if sample.frames_THWC is not None]
    stills = [i for i, sample in enumerate(samples) if sample.frames_THWC is None]
    clips = [clip for sample in samples if (clip := sample.frames_THWC) is not None]
    pictures = [p for i in stills if (p := samples[i].picture_HWC) is not None]
    paths = [q for i in stills if (q := samples[i].quads_T42) is not None]
    if pixels is None:
        pixels = _joined_pictures(pictures)
    captions = [caption for sample in samples for caption in sample.captions]
    owners = [i for i, sample in enumerate(samples) for _ in sample.captions]
    token_ids, token_mask = tokenize(captions)
    frame_mask = _frame_mask(samples, frames)
    batch = Batch(
        keys=[sample.key for sample in samples],
        captions=captions,
        identities=torch.tensor([s.identity for s in samples], dtype=torch.int64).view(-1, 3),
        token_ids=token_ids,
        token_mask=token_mask,
        caption_video=torch.tensor(owners, dtype=torch.int64),
        frame_mask=frame_mask,
        frames=_padded_clips(clips, (len(clips), frames, *size, 3), shared=shared),
        frame_rows=torch.tensor(moving, dtype=torch.int64),
        pixels=pixels,
        picture_sizes=[(p.shape[0], p.shape[1]) for p in pictures],
        quads=torch.from_numpy(_padded_paths(paths, frames)),
        still_rows=torch.tensor(stills, dtype=torch.int64),
        packing=pack(frame_mask),
        changes=_changes(samples),
    )
    if plan:
        batch.plan, words = plan_batch(batch.quads.numpy(), batch.picture_sizes, size)
        batch.plan_words = torch.from_numpy(words)
    return batch


def _joined_pictures(pictures: Sequence[np.ndarray]) -> Tensor:
    """Return the bytes of pictures of any sizes, one after another."""
    rows = [np.empty(0, np.uint8), *(picture.reshape(-1) for picture in pictures)]
    return torch.from_numpy(np.concatenate(rows))


def _frame_mask(samples: Sequence[Decoded], frames: int) -> Tensor:
    """Return int64 [B,T]: 1 for the frames of a clip, or of the path over a still."""
    mask_BT = torch.zeros(len(samples), frames, dtype=torch.int64)
    for i, sample in enumerate(samples):
        if sample.frames_THWC is not None:
            mask_BT[i, : len(sample.frames_THWC)] = 1
        elif sample.quads_T42 is not None:
            mask_BT[i, : len(sample.quads_T42)] = 1
    return mask_BT


def _padded_clips(clips: Sequence[np.ndarray], shape: tuple[int, ...], *, shared: bool) -> Tensor:
    """Return the clips uint8 [N,T,H,W,3], black after their ends."""
    frames_NTHWC = new_bytes(math.prod(shape), shared=shared).view(shape)
    for padded_THWC, clip_THWC in zip(frames_NTHWC, clips, strict=True):
        padded_THWC[: len(clip_THWC)] = torch.from_numpy(np.ascontiguousarray(clip_THWC))
        padded_THWC[len(clip_THWC) :] = 0
    return frames_NTHWC


def _changes_of(sample: Decoded) -> Sequence[float]:
    if sample.changes is None:
        return UNCHANGED
    return sample.changes.tolist()


def _changes(samples: Sequence[Decoded]) -> Tensor:
    """Return float32 [B,8], or [0,8] if no clip is changed."""
    rows = []
    if any(sample.changes is not None for sample in samples):
        rows = [_changes_of(sample) for sample in samples]
    return torch.tensor(rows, dtype=torch.float32).view(-1, 8)


def _padded_paths(paths: Sequence[np.ndarray], frames: int) -> np.ndarray:
    """Return float32 [S,T,4,2]; shorter paths repeat their last view."""
    if not paths:
        return np.empty((0, frames, 4, 2), np.float32)
    padded = [np.concatenate([path, np.repeat(path[-1:], frames - len(path), axis=0)]) for path in paths]
    return np.stack(padded).astype(np.float32)
