"""The datasets that the loader's workers iterate: endless for training, one pass for evaluation."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import groupby, islice

from torch import Tensor
from torch.utils.data import IterableDataset, get_worker_info

from schemas.keys import derive_seed
from schemas.text import one_line
from storage.shards.read import RawSample, ShardError
from trainer.data.batch import Batch
from trainer.data.config import DataConfig
from trainer.data.decode import Decoded, Decoder, Request
from trainer.data.order import Cursor, Turn, share, shuffled, turns_of
from trainer.data.pixels import Pixels
from trainer.data.shards import Dropped, read_ahead, read_shards

Collate = Callable[[Sequence[Decoded], Tensor], Batch]
HOPELESS = 100  # broken samples or shards in a row after which the run stops


class TrainingStream(IterableDataset[Batch]):
    """Endless full batches. The order depends on (shards, seed, slot, slots) alone, so a run can resume.

    Worker i of the DataLoader plays slot (i + first) of the rank: the loader asks its workers in turn from 0,
    and after a resume it must be the turn of the slot that would have been next.
    """

    def __init__(
        self,
        shards: Sequence[str],
        config: DataConfig,
        decode: Decoder,
        collate: Collate,
        *,
        batch_size: int,
        seed: int,
        rank: int,
        world: int,
        cursors: Sequence[Cursor],
        first: int = 0,
    ) -> None:
        super().__init__()
        self._shards, self._config, self._decode, self._collate = list(shards), config, decode, collate
        self._batch_size, self._seed, self._rank, self._world = batch_size, seed, rank, world
        self._cursors, self._first = list(cursors), first

    def __iter__(self) -> Iterator[Batch]:
        worker = get_worker_info()
        local = ((worker.id if worker else 0) + self._first) % len(self._cursors)
        dropped: list[Dropped] = []
        samples: list[Decoded] = []
        pixels = Pixels(shared=worker is not None)
        in_a_row = 0

        def drop(what: Dropped) -> None:
            nonlocal in_a_row
            dropped.append(what)
            in_a_row += 1
            if in_a_row >= HOPELESS:
                raise ShardError(f"{HOPELESS} samples in a row could not be used; the last: {what}")

        raw = self._raw(local, drop)
        while True:
            missing = self._batch_size - len(samples)  # after the first turn only if samples were broken
            paths = min(self._config.paths_per_picture, missing)
            read = list(islice(raw, missing // paths))
            cursor = read[-1][0]
            requests = [Request(sample, at.epoch, path) for at, sample in read for path in range(paths)]
            decoded = self._decode.all(requests, pixels)
            for (sample, _, path), made in zip(requests, decoded, strict=True):
                if not isinstance(made, Exception):
                    samples.append(made)
                    in_a_row = 0
                elif path == paths - 1:  # all paths of a picture fail alike; they are one sample
                    drop(Dropped(sample.shard, sample.key, _cause(made)))
            if len(samples) == self._batch_size:
                batch = self._collate(samples, pixels.take())
                batch.cursor, batch.dropped = cursor, _taken(dropped)
                samples.clear()
                yield batch

    def _raw(self, local: int, drop: Callable[[Dropped], None]) -> Iterator[tuple[Cursor, RawSample]]:
        """Yield undecoded samples from the cursor on, each with the cursor after it.

        Samples before the cursor are read and not decoded.
        """
        slot, slots = local * self._world + self._rank, self._world * len(self._cursors)
        start = self._cursors[local]
        epoch = start.epoch
        while True:
            mine = share(self._shards, seed=self._seed, epoch=epoch, slot=slot, slots=slots)
            read = read_shards(mine, policy=self._config.broken_shards, on_broken=drop)
            samples = read_ahead(read, _depth(mine, self._config))
            rng = random.Random(derive_seed(self._seed, "buffer", epoch, slot))
            buffered = shuffled(
                samples,
                rng,
                max_samples=self._config.shuffle_samples,
                max_bytes=self._config.shuffle_megabytes * 2**20,
            )
            for taken, sample in enumerate(buffered, start=1):
                if epoch > start.epoch or taken > start.taken:
                    yield Cursor(epoch, taken), sample
            epoch += 1


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
        local, workers = (worker.id, worker.num_workers) if worker else (0, 1)
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
                batch = self._collate(samples, pixels.take())
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
    return config.read_ahead if any("://" in uri for uri in uris) else 0


def _taken(dropped: list[Dropped]) -> tuple[Dropped, ...]:
    """Take the entries out one by one, because the thread that reads ahead may add more."""
    return tuple(dropped.pop(0) for _ in range(len(dropped)))


def _cause(error: Exception) -> str:
    if isinstance(error, ValueError | OSError):
        return one_line(error, 300)
    return one_line(f"{type(error).__name__}: {error}", 300)
