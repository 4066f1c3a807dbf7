"""Clips of shards as a PyTorch dataset, for training loops other than ours."""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping, Sequence
from itertools import count
from math import ceil
from typing import Any, Literal

import numpy as np
import torch
import torch.distributed as dist
from torch import Tensor
from torch.utils.data import IterableDataset, get_worker_info

from schemas.errors import ConfigError
from schemas.keys import derive_seed
from schemas.text import counted
from trainer.data.config import DataConfig
from trainer.data.decode import Decoded, Decoder
from trainer.data.mixing.config import MixEntry
from trainer.data.mixing.turns import Turns
from trainer.data.order import seed_of_set, share, shuffled
from trainer.data.shards import Dropped, Policy, ShardSet, read_shards
from transforms.motions.mix import MotionMix
from transforms.rendering.plan import plan_batch
from transforms.rendering.render import check_size, render, render_batch

Sample = dict[str, Any]
BUFFER_BYTES = 1 << 30  # of a reader's shuffle buffer, at most


class ClipDataset(IterableDataset[Sample]):
    """The clips of one epoch, each once, split over ranks and DataLoader workers by whole shards.

    A sample is a dict::

        key, caption       str
        captions           list of str: the caption, or every caption with `captions="all"`
        frames             uint8 [T,H,W,3] RGB; padding at the end is 0
        frame_mask         int64 [T], 1 = a frame
        video_id           int, equal for clips of one picture or video
        motion             str, such as "pan_left"; '' for real videos
        quads              float32 [T,4,2], the views in fractions of the picture; 0 for real videos

    With `render=False` a still has `picture`, uint8 [h,w,3], instead of `frames`: see `render_stills`.

    Stored clips and stills along their stored paths have the same bits as `zoetrope.decode_clip` gives.

    A mix is a list of ``{"shards": ..., "weight": ...}``. After any number of a reader's samples each set has
    its share of them, to within one sample (see `trainer.data.mixing.turns`). The epoch of a reader ends when
    one of the sets has no clip left for it, so no clip comes twice.
    """

    def __init__(
        self,
        shards: str | Sequence[str] | Sequence[Mapping[str, Any]],
        *,
        frames: int = 12,
        size: int | tuple[int, int] = (224, 224),
        camera: Literal["stored", "fresh"] = "stored",
        motions: Any = None,
        motion_phrases: float = 0.0,
        captions: Literal["one", "all"] = "one",
        shuffle: int = 0,
        epoch: int = 0,
        seed: int = 0,
        render: bool = True,
        broken_shards: Policy = "error",
    ) -> None:
        """Find the shards: a folder, a glob, a brace range, gs://, or a list of them; or a mix.

        frames, size: frames of a clip and their (height, width), or one number for both, in pixels.
        camera: follow a still's stored path, or draw a fresh one per epoch from the mix `motions` (None: the
            default mix). Its phrase is appended to the caption with probability `motion_phrases`.
        captions: one caption per epoch, in turn, or all.
        shuffle: encoded samples in the shuffle buffer; shards are always shuffled, by `seed` and `epoch`.
        broken_shards: stop at an unreadable shard or sample, or skip it.
        Raises ConfigError naming what is wrong.
        """
        super().__init__()
        if isinstance(size, int):
            size = (size, size)
        _check_shape(frames, size)
        self._sets, self._turns = _find(shards)
        config = _data_config(camera, motions, motion_phrases)
        self._decode = Decoder(config, frames=frames, size=size, seed=seed, training=True, captions=captions)
        self._frames, self._size, self._render = frames, size, render
        self._shuffle, self._seed, self._policy = shuffle, seed, broken_shards
        self.epoch = epoch

    def set_epoch(self, epoch: int) -> None:
        """Choose the epoch of the next iteration. Call it before the DataLoader starts its workers."""
        self.epoch = epoch

    def __iter__(self) -> Iterator[Sample]:
        slot, slots = _reader()
        for uris in self._sets:
            if len(uris) < slots:
                raise ConfigError(
                    f"{counted(len(uris), 'shard')} for {slots} readers (ranks x DataLoader workers): "
                    "each needs one; set num_workers lower, or make smaller shards"
                )
        streams = [self._decoded(index, slot, slots) for index in range(len(self._sets))]
        for number in count():
            turn = self._turns.counts(number, 1).index(1)
            decoded = next(streams[turn], None)
            if decoded is None:
                return
            yield self._sample(decoded)

    def _decoded(self, index: int, slot: int, slots: int) -> Iterator[Decoded]:
        """Yield the clips of a set that belong to a reader, in the order of this epoch."""
        seed = seed_of_set(self._seed, index)
        part = self._turns.shares[index]
        mine = share(self._sets[index], seed=seed, epoch=self.epoch, slot=slot, slots=slots)
        raw = read_shards(mine, policy=self._policy, on_broken=_ignore)
        rng = random.Random(derive_seed(seed, "buffer", self.epoch, slot))
        room = {"max_samples": ceil(part * self._shuffle), "max_bytes": ceil(part * BUFFER_BYTES)}
        for sample in shuffled(raw, rng, **room):
            try:
                decoded = self._decode(sample, self.epoch)
            except (ValueError, OSError) as error:
                if self._policy == "error":
                    raise ValueError(f"{sample.shard}: {sample.key}: {error}") from error
                continue
            yield decoded

    def _sample(self, decoded: Decoded) -> Sample:
        quads_T42 = decoded.quads_T42
        if quads_T42 is None:
            count = len(decoded.frames_THWC)  # type: ignore[arg-type]
        else:
            count = len(quads_T42)
        padding = self._frames - count
        sample: Sample = {
            "key": decoded.key,
            "caption": decoded.captions[0],
            "captions": list(decoded.captions),
            "frame_mask": (torch.arange(self._frames) < count).long(),
            "video_id": decoded.identity.item,
            "motion": decoded.motion,
        }
        if quads_T42 is None:
            sample["quads"] = torch.zeros(self._frames, 4, 2)
        else:
            sample["quads"] = torch.from_numpy(np.pad(quads_T42, ((0, padding), (0, 0), (0, 0)), mode="edge"))
        if decoded.picture_HWC is not None and not self._render:
            return {**sample, "picture": torch.from_numpy(decoded.picture_HWC), "size": self._size}
        frames_THWC = decoded.frames_THWC
        if frames_THWC is None:
            frames_THWC = render(decoded.picture_HWC, quads_T42, size=self._size)  # type: ignore[arg-type]
        return {
            **sample,
            "frames": torch.from_numpy(np.pad(frames_THWC, ((0, padding), (0, 0), (0, 0), (0, 0)))),
        }


def render_stills(samples: Sequence[Sample], device: torch.device | str) -> Tensor:
    """Render samples of `ClipDataset(..., render=False)` on a device -> uint8 [B,T,H,W,3]; padding is 0.

    On a CPU the frames are those of `render=True`; a GPU's differ from them by at most one grey level.
    """
    device = torch.device(device)
    quads_BT42 = torch.stack([sample["quads"] for sample in samples]).numpy()
    pictures = [sample["picture"] for sample in samples]
    size = samples[0]["size"]
    if device.type == "cpu":
        images = [picture.numpy() for picture in pictures]
        frames = torch.from_numpy(np.stack(render_batch(images, list(quads_BT42), size=size, device="cpu")))
    else:
        from transforms.rendering.kornia import to_device
        from transforms.rendering.on_gpu import render_planned

        sizes = [(picture.shape[0], picture.shape[1]) for picture in pictures]
        plan, words = plan_batch(quads_BT42, sizes, size)
        pixels = torch.cat([picture.flatten() for picture in pictures]).to(device)
        frames = render_planned(pixels, plan, to_device(words, device)).view(*quads_BT42.shape[:2], *size, 3)
    mask_BT = torch.stack([sample["frame_mask"] for sample in samples]).to(device)
    return frames * mask_BT[:, :, None, None, None].to(torch.uint8)


def _check_shape(frames: int, size: tuple[int, int]) -> None:
    if not isinstance(frames, int) or frames < 1:
        raise ConfigError(f"frames = {frames!r}: give the frames of a clip, at least 1")
    try:
        check_size(size)
    except ValueError as error:
        raise ConfigError(str(error)) from None


def _data_config(camera: str, motions: Any, motion_phrases: float) -> DataConfig:
    """Return the `data` section of a training run that these arguments mean. Raises ConfigError."""
    settings: dict[str, Any] = {"shards": "", "camera": camera, "motion_phrases": motion_phrases}
    if motions is not None:
        if camera == "stored":
            raise ConfigError(
                "motions have no effect with camera=stored; set camera=fresh, or leave them out"
            )
        settings["motions"] = MotionMix.make(motions)
    return DataConfig.make(settings)


def _find(
    shards: str | Sequence[str] | Sequence[Mapping[str, Any]],
) -> tuple[list[tuple[str, ...]], Turns]:
    """Return the shards of each set, and the order of the sets. Raises ConfigError."""
    if isinstance(shards, str):
        return [ShardSet.find(shards).uris], Turns([1.0])
    if not any(isinstance(each, Mapping) for each in shards):
        return [ShardSet.find([str(each) for each in shards]).uris], Turns([1.0])
    entries = [_entry(number, each) for number, each in enumerate(shards)]
    return [ShardSet.find(entry.shards).uris for entry in entries], Turns([e.weight for e in entries])


def _entry(number: int, given: Any) -> MixEntry:
    if not isinstance(given, Mapping):
        raise ConfigError(
            f"shards.{number} = {given!r} is a name in a list of mappings; write {{'shards': {given!r}}}"
        )
    further = sorted(given.keys() - {"shards", "weight"})
    if further:
        raise ConfigError(f"shards.{number}: {further[0]} is not known; a set has shards and weight")
    try:
        return MixEntry.make(dict(given))
    except ConfigError as error:
        raise ConfigError(f"shards.{number}: {error}") from None


def _reader() -> tuple[int, int]:
    """Return this reader's number among all readers, and their count: ranks x DataLoader workers."""
    rank, world = 0, 1
    if dist.is_available() and dist.is_initialized():
        rank, world = dist.get_rank(), dist.get_world_size()
    worker = get_worker_info()
    if worker is None:
        return rank, world
    return worker.id * world + rank, worker.num_workers * world


def _ignore(what: Dropped) -> None:
    """Skip the rest of a broken shard silently, as `broken_shards="skip"` asks."""
