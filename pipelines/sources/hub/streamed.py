"""Data sets of the hub by name, streamed with `datasets`: any format that it reads, without a download first.

A task is one shard of the data set, at the commit that the plan found, so every worker reads the same rows.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from functools import lru_cache
from itertools import islice
from typing import Any

from pipelines.sources.annotations.references import reference
from pipelines.sources.annotations.tables import column_of
from pipelines.sources.base import Loss, Source
from pipelines.sources.config import SourceConfig
from pipelines.sources.hub.layout import DEFAULT_SPLIT, hub_name
from pipelines.sources.hub.tables import NAME
from pipelines.sources.parquet_files import CAPTION_COLUMNS, Columns
from schemas.errors import ConfigError, JobError
from schemas.records import Failure, Reason, Reference, Stage, Task
from schemas.text import nearest_hint, one_line

CACHED = 4  # opened data sets of a process


@dataclass(frozen=True)
class Address:
    """One split of a data set at one commit."""

    name: str
    subset: str | None
    split: str
    commit: str


class StreamedSource(Source):
    """Rows of a split. Key: the shard's number, and the row's in it."""

    config: SourceConfig

    @property
    def keys_are_row_numbers(self) -> bool:
        """Always."""
        return True

    @property
    def plans_apart(self) -> bool:
        """Always: formats of any kind are parsed."""
        return True

    @property
    def is_remote(self) -> bool:
        """Are the pictures URLs?"""
        return self._columns(self._address()).image is None

    def fingerprint(self) -> dict[str, Any]:
        """Kind, name, subset, split, commit and columns, and the limit."""
        address = self._address()
        about = {**asdict(address), "revision": address.commit}
        return {"kind": "huggingface", "limit": self.config.limit, **about, **asdict(self._columns(address))}

    def plan(self) -> Iterator[Task]:
        """A task is ``{address, shard, columns}``. Its rows are an estimate, and counted under a limit."""
        address = self._address()
        columns = self._columns(address)
        with _answers(address.name):
            data = _open(address)
            shards = data.num_shards
            estimate = _estimate(data, address.split, shards) or self.shard_samples
        left = self.config.limit
        for number in range(shards):
            payload = {"address": asdict(address), "shard": number, "columns": asdict(columns)}
            if left is None:
                yield Task(number, estimate, payload, exact=False)
                continue
            self.progress(address.name)
            rows = self._count(address, number, columns, left)
            yield Task(number, rows, payload)
            left -= rows
            if left <= 0:
                return

    def read(self, task: Task) -> Iterator[Reference | Failure]:
        """Yield one reference or failure per row, and one failure for the rest of a shard that is broken."""
        address = Address(**task.payload["address"])
        columns, shard = Columns(**task.payload["columns"]), task.payload["shard"]
        where = f"{address.name}, shard {shard}"
        row = 0
        try:
            with _answers(address.name):
                rows = _rows(address, shard, columns)
                if task.exact:
                    rows = islice(rows, task.samples)
                for values in rows:
                    self.progress(where)
                    meta = {"dataset": address.name, "split": address.split, "shard": shard, "row": row}
                    cells = {name: _Cell(value, name == columns.image) for name, value in values.items()}
                    yield reference(_key(shard, row), NAME, cells, columns, meta, self.picture_bytes)
                    row += 1
        except _BrokenShardError as error:
            yield Failure(_key(shard, row), Stage.READ, Reason.UNREADABLE, f"{where}: {error}")

    def lose(self, task: Task, done: int) -> Loss:
        """The rest of a shard is one input, for nobody knows how many it holds."""
        shard = task.payload["shard"]
        return Loss((_key(shard, done),), f"{task.payload['address']['name']}, shard {shard}", None)

    def _address(self) -> Address:
        name = hub_name(self.config.uri or "") or ""
        with _answers(name):
            return _resolve(name, self.config.revision, self.config.subset, self.config.split)

    def _columns(self, address: Address) -> Columns:
        with _answers(address.name):
            return choose(_features(_open(address)), self.config, address.name)

    def _count(self, address: Address, shard: int, columns: Columns, most: int) -> int:
        """The rows of a shard, up to `most`; formats of columns read the captions alone."""
        captions = Columns(None, None, columns.caption)
        with _answers(address.name):
            return sum(1 for _ in islice(_rows(address, shard, captions), most))


def choose(features: dict[str, str], config: SourceConfig, name: str) -> Columns:
    """The columns that are read, among those of a data set, each with its type. Raises ConfigError."""
    images = [column for column, kind in features.items() if kind == "Image"]
    image, url = _named(config.image_column, features, "image"), _named(config.url_column, features, "url")
    if image is None and url is None:
        image = column_of(images, ("image",))
        if image is None and len(images) == 1:
            image = images[0]
        if image is None:
            url = column_of(features, ("url",))
    if image is None and url is None:
        raise ConfigError(
            f"source.image_column: {name} has no column of images but {', '.join(features)}; name one with "
            "source.image_column=... or source.url_column=..."
        )
    caption = _named(config.caption_column, features, "caption") or column_of(features, CAPTION_COLUMNS)
    if caption is None:
        raise ConfigError(
            f"source.caption_column: {name} has none of {', '.join(CAPTION_COLUMNS)}; it has "
            f"{', '.join(features)}; name one with source.caption_column=..."
        )
    return Columns(image, url, caption, config.boxes)


def _named(column: str | None, features: dict[str, str], field: str) -> str | None:
    if column is not None and column not in features:
        raise ConfigError(
            f"source.{field}_column: no column {column!r}; there are {', '.join(features)}"
            f"{nearest_hint(column, features)}"
        )
    return column


@dataclass(frozen=True)
class _Cell:
    """A value of a streamed row. An image without bytes is read from its place in the repository."""

    value: Any
    is_image: bool

    def as_py(self) -> Any:
        if self.is_image and isinstance(self.value, dict) and self.value.get("bytes") is None:
            path = self.value.get("path")
            if isinstance(path, str) and "://" in path:
                return _fetch(path)
        return self.value


class _BrokenShardError(Exception):
    """Rows that cannot be parsed any further."""


def _datasets() -> Any:
    """The module `datasets`, without torch, which it would load to stream, and without its download counts,
    which it would send elsewhere.
    """
    os.environ.setdefault("USE_TORCH", "0")
    os.environ["HF_UPDATE_DOWNLOAD_COUNTS"] = "0"
    import datasets

    datasets.disable_progress_bars()
    logging.getLogger("datasets").setLevel(logging.ERROR)
    return datasets


def _resolve(name: str, revision: str | None, subset: str | None, split: str | None) -> Address:
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
def _open(address: Address) -> Any:
    """The stream of a split, sharded as finely as its format allows."""
    module = _datasets()
    data = module.load_dataset(
        address.name, address.subset, split=address.split, streaming=True, revision=address.commit
    )
    if data.features is None:
        data = data._resolve_features()  # from the first row
    return data.decode(False).reshard()  # bytes and paths, not pictures


def _features(data: Any) -> dict[str, str]:
    """Column -> name of its type."""
    return {name: type(kind).__name__ for name, kind in (data.features or {}).items()}


def _estimate(data: Any, split: str, shards: int) -> int | None:
    splits = data.info.splits or {}
    if split not in splits or not splits[split].num_examples:
        return None
    rows = splits[split].num_examples
    return max(1, rows // shards)


def _rows(address: Address, shard: int, columns: Columns) -> Iterator[dict[str, Any]]:
    """The rows of one shard, as values by column. Raises _BrokenShardError, OSError."""
    data = _open(address)
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
            if _is_of_network(error):
                raise
            raise _BrokenShardError(one_line(error, 200)) from error


def _fetch(path: str) -> dict[str, Any]:
    """The picture at a path of a repository, ``hf://`` or inside of an archive there."""
    from datasets.utils.file_utils import xopen

    with xopen(path, "rb") as stream:
        return {"bytes": stream.read(), "path": path}


def _is_of_network(error: BaseException | None) -> bool:
    """Does an error come from the connection? OSErrors of Arrow's own have no number."""
    from huggingface_hub.errors import HTTPError

    while error is not None:
        if isinstance(error, HTTPError | ConnectionError | TimeoutError):
            return True
        if isinstance(error, OSError) and error.errno is not None:
            return True
        error = error.__cause__
    return False


@contextmanager
def _answers(name: str) -> Iterator[None]:
    """Turn errors of the hub's clients into ConfigError (name, rights, format) and OSError (connection)."""
    try:
        yield
    except (ConfigError, JobError, MemoryError, _BrokenShardError, ModuleNotFoundError):
        raise
    except Exception as error:
        raise _in_one_line(name, error) from error


def _in_one_line(name: str, error: Exception) -> Exception:
    from huggingface_hub.errors import HfHubHTTPError, OfflineModeIsEnabled

    status = None
    if isinstance(error, HfHubHTTPError):
        status = error.response.status_code
    if status in (401, 403, 404):
        return ConfigError(
            f"source.uri: {name}: no such folder here, and no such data set on the hub ({status}); "
            "check the name and source.revision; for a private one run `hf auth login`, or set HF_TOKEN"
        )
    if isinstance(error, OfflineModeIsEnabled):
        return ConfigError(f"source.uri: {name}: HF_HUB_OFFLINE is set, so the hub cannot be asked; unset it")
    if status is None and not _is_of_network(error):
        return ConfigError(f"source.uri: {name}: `datasets` cannot read it: {one_line(error, 200)}")
    return OSError(f"{name}: the hub cannot be read: {one_line(error, 200)}; run the same command again")


def _key(shard: int, row: int) -> str:
    return f"{NAME}-{shard:06d}-{row:07d}"
