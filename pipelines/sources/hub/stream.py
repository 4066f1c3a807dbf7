"""A data set of the hub as streams of rows, read with `datasets`: its address, its shards, its columns."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from pipelines.sources.hub.answers import BrokenShardError, is_of_network
from pipelines.sources.hub.layout import DEFAULT_SPLIT
from pipelines.sources.parquet.files import Columns
from schemas.errors import ConfigError
from schemas.text import nearest_hint, one_line

CACHED = 4  # opened data sets of a process


@dataclass(frozen=True)
class Address:
    """One split of a data set at one commit."""

    name: str
    subset: str | None
    split: str
    commit: str


@dataclass(frozen=True)
class Cell:
    """A value of a streamed row. An image without bytes is read from its place in the repository."""

    value: Any
    is_image: bool

    def as_py(self) -> Any:
        """The value; of an image ``{bytes, path}``."""
        if self.is_image and isinstance(self.value, dict) and self.value.get("bytes") is None:
            path = self.value.get("path")
            if isinstance(path, str) and "://" in path:
                return _fetch(path)
        return self.value


def _datasets() -> Any:
    """Import `datasets` without torch, and with its download counts switched off.

    It would load torch to stream, and it would send the counts to its hub.
    """
    os.environ.setdefault("USE_TORCH", "0")
    os.environ["HF_UPDATE_DOWNLOAD_COUNTS"] = "0"
    import datasets

    datasets.disable_progress_bars()
    logging.getLogger("datasets").setLevel(logging.ERROR)
    return datasets


def resolve(name: str, revision: str | None, subset: str | None, split: str | None) -> Address:
    """The commit, subset and split that a config means. Raises ConfigError."""
    from huggingface_hub import HfApi

    commit = HfApi(library_name="zoetrope").dataset_info(name, revision=revision).sha
    return _found(name, str(commit), subset, split)


@lru_cache(CACHED)
def _found(name: str, commit: str, subset: str | None, split: str | None) -> Address:
    module = _datasets()
    subsets = module.get_dataset_config_names(name, revision=commit)
    if subset is None and len(subsets) > 1 and "default" not in subsets:
        raise ConfigError(f"source.subset: {name} has {', '.join(subsets)}: give source.subset=...")
    if subset is not None and subset not in subsets:
        raise ConfigError(
            f"source.subset: {name} has no {subset!r}; it has {', '.join(subsets)}"
            f"{nearest_hint(subset, subsets)}"
        )
    splits = list(module.load_dataset(name, subset, streaming=True, revision=commit))
    if split is None:
        if DEFAULT_SPLIT in splits:
            split = DEFAULT_SPLIT
        else:
            split = splits[0]
        if split != DEFAULT_SPLIT and len(splits) > 1:
            raise ConfigError(f"source.split: {name} has {', '.join(splits)}: give source.split=...")
    if split not in splits:
        raise ConfigError(
            f"source.split: {name} has no {split!r}; it has {', '.join(splits)}{nearest_hint(split, splits)}"
        )
    return Address(name, subset, split, commit)


@lru_cache(CACHED)
def open_stream(address: Address) -> Any:
    """The stream of a split, sharded as finely as its format allows."""
    module = _datasets()
    data = module.load_dataset(
        address.name, address.subset, split=address.split, streaming=True, revision=address.commit
    )
    if data.features is None:
        data = data._resolve_features()  # from the first row
    return data.decode(False).reshard()  # bytes and paths, not pictures


def features_of(data: Any) -> dict[str, str]:
    """Column -> name of its type."""
    return {name: type(kind).__name__ for name, kind in (data.features or {}).items()}


def estimated_rows(data: Any, split: str, shards: int) -> int | None:
    """About how many rows a shard has; None if the data set does not say."""
    splits = data.info.splits or {}
    if split not in splits or not splits[split].num_examples:
        return None
    rows = splits[split].num_examples
    return max(1, rows // shards)


def rows_of(address: Address, shard: int, columns: Columns) -> Iterator[dict[str, Any]]:
    """The rows of one shard, as values by column. Raises BrokenShardError, OSError."""
    data = open_stream(address)
    data = data.shard(data.num_shards, shard)
    rows = iter(data.select_columns(columns.names))
    while True:
        try:
            yield next(rows)
        except StopIteration:
            return
        except (ConfigError, MemoryError):
            raise
        except Exception as error:  # a parser of any format may raise anything on hostile bytes
            if is_of_network(error):
                raise
            raise BrokenShardError(one_line(error, 200)) from error


def _fetch(path: str) -> dict[str, Any]:
    """The picture at a path of a repository, ``hf://`` or inside of an archive there."""
    from datasets.utils.file_utils import xopen

    with xopen(path, "rb") as stream:
        return {"bytes": stream.read(), "path": path}
