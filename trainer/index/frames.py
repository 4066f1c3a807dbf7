"""The frames of search results, read from their shards as the model sees them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from schemas.text import one_line
from storage.login import check_folder_address
from storage.shards.read import RawSample, ShardError, iter_shard
from transforms.stores.read import read_clip

Place = tuple[str, str]  # shard (an absolute path or a URI) and key


def read_frames(places: Sequence[Place], *, frames: int, size: tuple[int, int]) -> list[np.ndarray | None]:
    """Decode each clip to uint8 RGB [T,h,w,3]; None where the shard or the sample no longer exists.

    A shard is read once, up to its last clip. Raises ShardError, naming shard and key, for a clip that cannot
    be decoded. Raises ConfigError for a shard at a web address: an index may be another person's, and no
    server that it names is asked.
    """
    wanted: dict[str, set[str]] = {}
    for shard, key in places:
        wanted.setdefault(shard, set()).add(key)
    found: dict[Place, np.ndarray] = {}
    for shard, keys in wanted.items():
        check_folder_address(shard)
        for sample in _samples(shard, keys):
            found[shard, sample.key] = _decoded(sample, frames, size)
    return [found.get(place) for place in places]


def _samples(shard: str, keys: set[str]) -> list[RawSample]:
    found: list[RawSample] = []
    try:
        for sample in iter_shard(shard):
            if sample.key in keys:
                found.append(sample)
            if len(found) == len(keys):
                break
    except FileNotFoundError:
        return []
    return found


def _decoded(sample: RawSample, frames: int, size: tuple[int, int]) -> np.ndarray:
    try:
        return read_clip(sample.members, sample.meta(), frames=frames, size=size)
    except (ValueError, OSError) as error:
        raise ShardError(f"{sample.shard}: {sample.key}: {one_line(error)}") from None
