"""Indexes of the shards for other readers: sizes.json and wids.json."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from schemas.manifest import ShardRow


def sizes_json(shards: Sequence[ShardRow]) -> bytes:
    """open_clip's ``sizes.json``: shard name -> samples."""
    return _json({row.shard: row.samples for row in shards})


def wids_json(name: str, shards: Sequence[ShardRow]) -> bytes:
    """The wids index (version 1), for random access. Its md5sum is left out: the manifest holds a sha256."""
    rows = [{"url": row.shard, "nsamples": row.samples, "filesize": row.bytes} for row in shards]
    return _json({"name": name, "wids_version": 1, "shardlist": rows})


def _json(values: Any) -> bytes:
    return (json.dumps(values, indent=1) + "\n").encode()
