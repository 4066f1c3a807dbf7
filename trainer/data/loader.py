"""The loaders: worker processes, batches in a fixed order, and a state to resume from exactly."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from typing import Any

from schemas.errors import ConfigError
from schemas.keys import derive_seed
from trainer.data.augment.curriculum import Curriculum
from trainer.data.augment.patches import PatchChoice
from trainer.data.batch import Batch, Tokenize, collate
from trainer.data.config import DataConfig
from trainer.data.dataset import EvaluationStream, SampleSet, TrainingStream
from trainer.data.decode import Decoder
from trainer.data.mixing.turns import Turns
from trainer.data.order import Cursor, Position, fitting_workers
from trainer.data.processes import batches_of
from trainer.data.shards import Dropped, ShardSet


@dataclass(frozen=True)
class LoaderState:
    """The position of a rank's loader, in JSON values.

    Valid for the same shards, seed, ranks, workers and batch size.
    """

    batches: int  # taken by this rank
    positions: tuple[Position, ...]  # one per worker
    made_for: dict[str, Any]  # the values that decide the order

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON. Of a single set each worker has one cursor, of a mix a list of them."""
        cursors: list[Any] = [[asdict(cursor) for cursor in position] for position in self.positions]
        if all(len(position) == 1 for position in self.positions):
            cursors = [position[0] for position in cursors]
        return {"batches": self.batches, "cursors": cursors, "made_for": self.made_for}

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> LoaderState:
        """Restore a state from JSON values."""
        positions = [[given] if isinstance(given, dict) else given for given in values["cursors"]]
        return cls(
            int(values["batches"]),
            tuple(tuple(Cursor(**cursor) for cursor in position) for position in positions),
            dict(values["made_for"]),
        )


def _fitting_workers(shards: Sequence[ShardSet], config: DataConfig, *, rank: int, world: int) -> int:
    """`data.workers`, lowered until every reader has a shard of each set. Raises ConfigError."""
    workers = config.workers
    for number, each in enumerate(shards):
        name = "data.shards"
        if config.mix is not None:
            name = f"data.mix.{number}.shards"
        workers = fitting_workers(len(each.uris), world, workers, name, rank=rank)
    return workers


def _order_of(
    shards: Sequence[ShardSet],
    config: DataConfig,
    workers: int,
    seed: int,
    rank: int,
    world: int,
    batch_size: int,
) -> dict[str, Any]:
    """The values that decide the order of samples, by the names that messages use."""
    return {
        "shards": _content_of(shards),
        "seed": seed,
        "rank": rank,
        "ranks": world,
        "data.workers": workers,
        "data.shuffle_samples": config.shuffle_samples,
        "data.shuffle_megabytes": config.shuffle_megabytes,
        "batch size of a rank": batch_size,
    }


def _sample_sets(
    shards: Sequence[ShardSet], config: DataConfig, *, frames: int, size: tuple[int, int], seed: int
) -> list[SampleSet]:
    """The shards of each set, with the decoder of its samples."""
    sets = []
    for each, own in zip(shards, config.sets(), strict=True):
        decoder = Decoder(own, frames=frames, size=size, seed=seed, training=True)
        sets.append(SampleSet(each.uris, own, decoder))
    return sets


def _content_of(shards: Sequence[ShardSet]) -> int:
    """A number for the names of the shards: another one after a resume means other shards."""
    names = ("\n".join(uri.rpartition("/")[2] for uri in each.uris) for each in shards)
    return derive_seed(0, "\n\n".join(names))


def _curriculum(config: DataConfig, accumulate: int) -> Curriculum | None:
    if config.frames_curriculum is None:
        return None
    return Curriculum(tuple(config.frames_curriculum), accumulate)


class TrainingLoader:
    """Endless batches of one rank.

    Iterate it once; between batches `state()` gives the state to resume from after the last one taken.
    """

    def __init__(
        self,
        shards: ShardSet | Sequence[ShardSet],
        config: DataConfig,
        tokenize: Tokenize,
        *,
        frames: int,
        size: tuple[int, int],
        batch_size: int,
        seed: int,
        rank: int = 0,
        world: int = 1,
        state: LoaderState | None = None,
        pin_memory: bool = False,
        patches: PatchChoice | None = None,
        accumulate: int = 1,
    ) -> None:
        """Raises ConfigError if there are fewer shards than ranks, or if `state` belongs to another order.

        Where there are fewer shards than readers, `data.workers` is lowered.

        shards: of each set of `config.mix`, or of `config.shards`;
        frames, size: of a clip, as the model takes it; batch_size: samples a rank takes at a time;
        accumulate: batches of a rank in a step.
        """
        if isinstance(shards, ShardSet):
            shards = [shards]
        workers = _fitting_workers(shards, config, rank=rank, world=world)
        self.readers = max(workers, 1)  # of this rank
        self._made_for = _order_of(shards, config, workers, seed, rank, world, batch_size)
        self.dropped: Counter[str] = Counter()  # by reason, since this loader was made
        self._fresh_drops: list[Dropped] = []
        if state is None:
            state = LoaderState(0, ((Cursor(),) * len(shards),) * self.readers, self._made_for)
        self._check(state)
        self._batches, self._positions = state.batches, list(state.positions)
        stream = TrainingStream(
            _sample_sets(shards, config, frames=frames, size=size, seed=seed),
            Turns(config.weights),
            partial(collate, tokenize=tokenize, frames=frames, size=size, plan=pin_memory),
            batch_size=batch_size,
            seed=seed,
            rank=rank,
            world=world,
            positions=tuple(self._positions),
            batches=self._batches,
            patches=patches,
            curriculum=_curriculum(config, accumulate),
        )
        self._batches_of_workers = batches_of(stream, workers, config.batches_ahead, pin_memory)

    def __iter__(self) -> Iterator[Batch]:
        for batch in self._batches_of_workers:
            self._positions[self._batches % len(self._positions)] = batch.position
            self._batches += 1
            self._fresh_drops.extend(batch.dropped)
            self.dropped.update(drop.reason for drop in batch.dropped)
            yield batch

    def state(self) -> LoaderState:
        """The position after the last batch that was taken."""
        return LoaderState(self._batches, tuple(self._positions), self._made_for)

    def take_dropped(self) -> list[Dropped]:
        """Return the samples that were dropped since the last call."""
        dropped, self._fresh_drops = self._fresh_drops, []
        return dropped

    def _check(self, state: LoaderState) -> None:
        for name, value in self._made_for.items():
            if state.made_for.get(name) != value:
                was = f" was {state.made_for.get(name)!r}, is {value!r}"
                if name == "shards":
                    was = " differ"
                raise ConfigError(
                    f"resume: {name}{was}; the order of samples depends on it: "
                    "set it back, or start a new run with init="
                )


def evaluation_loader(
    shards: ShardSet,
    config: DataConfig,
    tokenize: Tokenize,
    *,
    frames: int,
    size: tuple[int, int],
    seed: int = 0,
    rank: int = 0,
    world: int = 1,
    pin_memory: bool = False,
) -> Iterable[Batch]:
    """This rank's share of the batches: every sample once, with all its captions.

    Stills follow their stored path. Read it through `noting_drops`.
    """
    stream = EvaluationStream(
        shards.uris,
        config,
        Decoder(config, frames=frames, size=size, seed=seed, training=False),
        partial(collate, tokenize=tokenize, frames=frames, size=size, plan=pin_memory),
        batch_size=config.eval_batch_size,
        rank=rank,
        world=world,
    )
    workers = min(config.workers, len(shards.uris))
    return batches_of(stream, workers, config.batches_ahead, pin_memory)


def noting_drops(batches: Iterable[Batch], dropped: list[Dropped]) -> Iterator[Batch]:
    """Yield the batches that have samples, and add the dropped samples to `dropped`."""
    for batch in batches:
        dropped.extend(batch.dropped)
        if len(batch):
            yield batch
