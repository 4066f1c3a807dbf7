"""The datasets that the loader's workers iterate: endless for training, one pass for evaluation."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby, islice
from math import ceil

from torch.utils.data import IterableDataset, get_worker_info

from schemas.keys import derive_seed
from schemas.text import one_line
from storage.shards.read import RawSample, ShardError
from trainer.data.augment.curriculum import Curriculum
from trainer.data.augment.patches import PatchChoice
from trainer.data.batch import Batch
from trainer.data.config import DataConfig
from trainer.data.decode import Decoded, Decoder, Request
from trainer.data.mixing.turns import Turns
from trainer.data.order import Cursor, Position, Turn, seed_of_set, share, shuffled, turns_of
from trainer.data.pixels import Pixels
from trainer.data.shards import Dropped, read_ahead, read_shards

Collate = Callable[..., Batch]  # of decoded samples, pixels, and `frames` where it changes
HOPELESS = 100  # broken samples or shards in a row after which the run stops


@dataclass(frozen=True)
class SampleSet:
    """One set of shards of a run, and how its samples are read."""

    shards: tuple[str, ...]
    config: DataConfig
    decode: Decoder


class TrainingStream(IterableDataset[Batch]):
    """Endless full batches. The order depends on (shards, seed, slot, slots) alone, so a run can resume.

    With several sets every batch holds samples of each by its share. The shares hold to within one sample
    over the batches of all ranks and workers, in their order (see `trainer.data.mixing.turns`).

    Worker i of the DataLoader plays slot (i + first) of the rank. The loader asks its workers in turn from 0.
    After a resume it must be the turn of the slot that would have been next.
    """

    def __init__(
        self,
        sets: Sequence[SampleSet],
        turns: Turns,
        collate: Collate,
        *,
        batch_size: int,
        seed: int,
        rank: int,
        world: int,
        positions: Sequence[Position],
        batches: int = 0,
        patches: PatchChoice | None = None,
        curriculum: Curriculum | None = None,
    ) -> None:
        """`positions` are those of the rank's slots, `batches` how many batches the rank has taken."""
        super().__init__()
        self._sets, self._turns, self._collate = list(sets), turns, collate
        self._batch_size, self._seed, self._rank, self._world = batch_size, seed, rank, world
        self._positions, self._batches, self._patches = list(positions), batches, patches
        self._curriculum = curriculum

    def __iter__(self) -> Iterator[Batch]:
        worker = get_worker_info()
        number = self._batches  # of the rank's next batch that is made here
        if worker is not None:
            number += worker.id
        slots = len(self._positions)
        local = number % slots
        position = list(self._positions[local])
        drops = _Drops()
        pixels = Pixels(shared=worker is not None)
        raw = [self._raw(index, local, drops.add) for index in range(len(self._sets))]
        while True:
            frames = None
            if self._curriculum is not None:
                frames = self._curriculum.frames(number)
            clips = _Clips([], pixels, drops, frames)
            among_all = number * self._world + self._rank  # of the batches of all ranks
            turns = self._turns.counts(among_all * self._batch_size, self._batch_size)
            for index, wanted in enumerate(turns):
                if wanted:
                    position[index] = _take(self._sets[index], raw[index], wanted, clips)
            shape = {}
            if frames is not None:
                shape["frames"] = frames
            batch = self._collate(clips.samples, pixels.take(), shared=worker is not None, **shape)
            batch.position, batch.dropped = tuple(position), _taken(drops.dropped)
            if self._patches is not None:
                batch.patches = self._patches.draw(batch, derive_seed(self._seed, "patches", among_all))
            yield batch
            number += slots

    def _raw(
        self, index: int, local: int, drop: Callable[[Dropped], None]
    ) -> Iterator[tuple[Cursor, RawSample]]:
        """Yield undecoded samples of a set from its cursor on, each with the cursor after it.

        Samples before the cursor are read and not decoded. The sets share the room of the shuffle buffer.
        """
        slot, slots = local * self._world + self._rank, self._world * len(self._positions)
        shards, config = self._sets[index].shards, self._sets[index].config
        seed = seed_of_set(self._seed, index)
        part = self._turns.shares[index]
        start = self._positions[local][index]
        epoch = start.epoch
        while True:
            mine = share(shards, seed=seed, epoch=epoch, slot=slot, slots=slots)
            read = read_shards(mine, policy=config.broken_shards, on_broken=drop)
            samples = read_ahead(read, _depth(mine, config))
            rng = random.Random(derive_seed(seed, "buffer", epoch, slot))
            buffered = shuffled(
                samples,
                rng,
                max_samples=ceil(part * config.shuffle_samples),
                max_bytes=ceil(part * config.shuffle_megabytes * 2**20),
            )
            for taken, sample in enumerate(buffered, start=1):
                if epoch > start.epoch or taken > start.taken:
                    yield Cursor(epoch, taken), sample
            epoch += 1


class _Drops:
    """The samples that were dropped since the last batch. Too many in a row are an error."""

    def __init__(self) -> None:
        self.dropped: list[Dropped] = []
        self.in_a_row = 0

    def add(self, what: Dropped) -> None:
        self.dropped.append(what)
        self.in_a_row += 1
        if self.in_a_row >= HOPELESS:
            raise ShardError(f"{HOPELESS} samples in a row could not be used; the last: {what}")


@dataclass(frozen=True)
class _Clips:
    """The clips of a batch that is being filled."""

    samples: list[Decoded]
    pixels: Pixels
    drops: _Drops
    frames: int | None  # at most so many of each


def _take(of_set: SampleSet, raw: Iterator[tuple[Cursor, RawSample]], wanted: int, clips: _Clips) -> Cursor:
    """Append `wanted` clips of a set. Returns the cursor after them."""
    end = len(clips.samples) + wanted
    while True:
        missing = end - len(clips.samples)  # after the first turn only if samples were broken
        paths = min(of_set.config.paths_per_picture, missing)
        read = list(islice(raw, missing // paths))
        requests = [
            Request(sample, at.epoch, path, clips.frames) for at, sample in read for path in range(paths)
        ]
        decoded = of_set.decode.all(requests, clips.pixels)
        for request, made in zip(requests, decoded, strict=True):
            if not isinstance(made, Exception):
                clips.samples.append(made)
                clips.drops.in_a_row = 0
            elif request.path == paths - 1:  # all paths of a picture fail alike; they are one sample
                clips.drops.add(Dropped(request.sample.shard, request.sample.key, _cause(made)))
        if len(clips.samples) == end:
            return read[-1][0]


class EvaluationStream(IterableDataset[Batch]):
    """Every sample once, in shard order, split over readers: the workers of all ranks.

    A batch holds samples of one shard, cut at fixed positions. So the batches, and with them the last bits of
    what a model makes of them, do not depend on the number of readers.
    """

    def __init__(
        self,
        shards: Sequence[str],
        config: DataConfig,
        decode: Decoder,
        collate: Collate,
        *,
        batch_size: int,
        rank: int = 0,
        world: int = 1,
    ) -> None:
        super().__init__()
        self._shards, self._config, self._decode, self._collate = list(shards), config, decode, collate
        self._batch_size, self._rank, self._world = batch_size, rank, world

    def __iter__(self) -> Iterator[Batch]:
        worker = get_worker_info()
        if worker:
            local, workers = worker.id, worker.num_workers
        else:
            local, workers = 0, 1
        mine = turns_of(len(self._shards), local * self._world + self._rank, workers * self._world)
        dropped: list[Dropped] = []

        def drop(what: Dropped) -> None:
            if mine[self._shards.index(what.shard)].number == 0:  # of several readers the first reports it
                dropped.append(what)

        pixels = Pixels(shared=worker is not None)
        batch: Batch | None = None  # held back: it carries the samples that are dropped after it
        for shard, position, some in self._groups(mine, drop):
            samples: list[Decoded] = []
            places: list[tuple[int, int]] = []
            decoded = self._decode.all([Request(sample, 0) for sample in some], pixels)
            for number, (sample, made) in enumerate(zip(some, decoded, strict=True)):
                if isinstance(made, Exception):
                    dropped.append(Dropped(sample.shard, sample.key, _cause(made)))
                else:
                    samples.append(made)
                    places.append((shard, position + number))
            if samples:
                if batch is not None:
                    yield batch
                batch = self._collate(samples, pixels.take(), shared=worker is not None)
                batch.places, batch.dropped = places, _taken(dropped)
        if batch is None and dropped:
            batch = self._collate([], pixels.take())  # without a sample: it carries the dropped ones
        if batch is not None:
            batch.dropped += _taken(dropped)
            yield batch

    def _groups(
        self, mine: Mapping[int, Turn], drop: Callable[[Dropped], None]
    ) -> Iterator[tuple[int, int, list[RawSample]]]:
        """Yield the number of a shard, a position in it, and the raw samples of one batch from there on."""
        uris = [self._shards[number] for number in mine]
        raw = read_shards(uris, policy=self._config.broken_shards, on_broken=drop)
        ahead = read_ahead(raw, _depth(uris, self._config))
        for uri, of_shard in groupby(ahead, key=lambda sample: sample.shard):
            number = self._shards.index(uri)
            turn = mine[number]
            for group, some in enumerate(_cut(of_shard, self._batch_size)):
                if group % turn.readers == turn.number:
                    yield number, group * self._batch_size, some


def _cut(samples: Iterator[RawSample], size: int) -> Iterator[list[RawSample]]:
    """Yield lists of `size` samples; the last may be shorter."""
    while some := list(islice(samples, size)):
        yield some


def _depth(uris: Sequence[str], config: DataConfig) -> int:
    """The depth of reading ahead, which hides a network. Of a local disk the kernel reads ahead."""
    if not any("://" in uri for uri in uris):
        return 0
    return config.read_ahead


def _taken(dropped: list[Dropped]) -> tuple[Dropped, ...]:
    """Take the entries out one by one, because the thread that reads ahead may add more."""
    return tuple(dropped.pop(0) for _ in range(len(dropped)))


def _cause(error: Exception) -> str:
    if isinstance(error, ValueError | OSError):
        return one_line(error, 300)
    return one_line(f"{type(error).__name__}: {error}", 300)
