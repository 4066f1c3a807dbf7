"""The order of reading, by pure functions of (seed, epoch, slot).

A *slot* is one (rank, worker) pair; there are ranks x workers of them. In every epoch the shards are put in a
new random order and dealt out, so that each shard goes to exactly one slot. A slot that has read its share of
an epoch continues at once with its share of the next. So batches are always full, and every rank has as many
steps as any other.
"""

from __future__ import annotations

import logging
import random
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from schemas.errors import ConfigError
from schemas.keys import derive_seed
from schemas.text import counted
from storage.shards.read import RawSample

LOG = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Cursor:
    """The position of one slot: the epoch, and the number of its samples taken in it (broken ones too)."""

    epoch: int = 0
    taken: int = 0


Position = tuple[Cursor, ...]  # of one slot: a cursor per set of shards


def seed_of_set(seed: int, index: int) -> int:
    """The seed of the order of a set: the first one has the run's own."""
    if index == 0:
        return seed
    return derive_seed(seed, "set", index)


def check_slots(shards: int, world: int, workers: int, name: str = "data.shards") -> None:
    """Raise ConfigError unless every (rank, worker) gets a shard.

    `workers` is a rank's; 0 means the training process.
    """
    slots = world * max(workers, 1)
    if shards < slots:
        fit = shards // world
        if fit:
            fix = f"set data.workers={fit}"
        else:
            fix = f"start at most {counted(shards, 'process', 'processes')} with data.workers=1"
        raise ConfigError(
            f"{name}: {counted(shards, 'shard')} for {world} ranks x {max(workers, 1)} workers = {slots} "
            f"readers; each reader needs one: {fix}, or make smaller shards (shard.max_samples)"
        )


def fitting_workers(
    shards: int, world: int, workers: int, name: str = "data.shards", *, rank: int = 0
) -> int:
    """Return the workers of a rank, lowered where there would be more readers than shards.

    The first rank warns of it.
    Raises ConfigError if there are fewer shards than ranks.
    """
    most = shards // world
    if most == 0 or workers <= most:
        check_slots(shards, world, workers, name)
        return workers
    if rank == 0:
        LOG.warning(
            f"data.workers = {workers} is lowered to {most}: {name} has {counted(shards, 'shard')} for "
            f"{counted(world, 'rank')}, and each reader needs one; smaller shards (shard.max_samples) allow "
            "more"
        )
    return most


def share(shards: Sequence[str], *, seed: int, epoch: int, slot: int, slots: int) -> list[str]:
    """The shards that `slot` reads in `epoch`, in order.

    Where the shards do not divide evenly, some slots have one shard more. Those slots move on by one every
    epoch, so that no slot runs ahead of the others.
    """
    order = list(shards)
    random.Random(derive_seed(seed, "shards", epoch)).shuffle(order)
    return order[(slot + epoch * (len(order) % slots)) % slots :: slots]


class Turn(NamedTuple):
    """The share of one reader in a shard: every batch whose number is `number` modulo `readers`."""

    number: int
    readers: int


def turns_of(shards: int, reader: int, readers: int) -> dict[int, Turn]:
    """The shards that a reader reads in an evaluation, by number, and its share of each.

    With more readers than shards several readers share a shard. Each of them reads it whole, and decodes its
    own batches alone.
    """
    if readers <= shards:
        return {shard: Turn(0, 1) for shard in range(reader, shards, readers)}
    shard = reader % shards
    return {shard: Turn(reader // shards, -(-(readers - shard) // shards))}


def shuffled(
    samples: Iterable[RawSample], rng: random.Random, *, max_samples: int, max_bytes: int
) -> Iterator[RawSample]:
    """Yield samples in random order from a buffer, which fills before the first one and empties at the end.

    The buffer holds `max_samples` samples, or fewer if they come to more than `max_bytes`; with 0 samples the
    order stays.
    """
    buffer: list[RawSample] = []
    held = 0
    for sample in samples:
        buffer.append(sample)
        held += sample_bytes(sample)
        while len(buffer) > max_samples or (held > max_bytes and len(buffer) > 1):
            at = rng.randrange(len(buffer))
            # Swapped to the end, because removing from the middle would move all behind it.
            buffer[at], buffer[-1] = buffer[-1], buffer[at]
            out = buffer.pop()
            held -= sample_bytes(out)
            yield out
    rng.shuffle(buffer)
    while buffer:  # popped, so that memory is freed as the buffer empties
        yield buffer.pop()


def sample_bytes(sample: RawSample) -> int:
    """The bytes of a sample in the buffer."""
    return sum(len(data) for data in sample.members.values())
