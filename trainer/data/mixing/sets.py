"""The sets of a run in words, for the lines at its start."""

from __future__ import annotations

from collections.abc import Sequence

from schemas.text import counted
from trainer.data.config import DataConfig
from trainer.data.mixing.turns import Turns
from trainer.data.shards import ShardSet


def describe_sets(config: DataConfig, shards: Sequence[ShardSet], readers: str) -> list[str]:
    """Return a line on the shards and readers, and with a mix a line on each set."""
    counts = [f"{counted(len(each.uris), 'shard')}, {_samples(each)}" for each in shards]
    if config.mix is None:
        return [f"data: {counts[0]}; {readers}"]
    of_sets = zip(Turns(config.weights).shares, config.mix, counts, strict=True)
    lines = [f"mix: {100 * share:.3g} % from {entry.shards}: {count}" for share, entry, count in of_sets]
    return [f"data: {len(shards)} sets; {readers}", *lines]


def _samples(shards: ShardSet) -> str:
    if shards.samples is None:
        return "an unknown number of samples (no manifest)"
    return counted(shards.samples, "sample")
