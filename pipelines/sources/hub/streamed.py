"""Data sets of the hub by name, streamed with `datasets`: any format that it reads, without a download first.

A task is one shard of the data set, at the commit that the plan found, so every worker reads the same rows.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict
from itertools import islice
from typing import Any

from pipelines.sources.annotations.kept import check_kept
from pipelines.sources.annotations.references import reference
from pipelines.sources.annotations.tables import column_of
from pipelines.sources.base import Loss, Source
from pipelines.sources.config import SourceConfig
from pipelines.sources.hub.answers import BrokenShardError, answers
from pipelines.sources.hub.layout import hub_name
from pipelines.sources.hub.stream import (
    Address,
    Cell,
    estimated_rows,
    features_of,
    open_stream,
    resolve,
    rows_of,
)
from pipelines.sources.hub.tables import NAME
from pipelines.sources.parquet.files import CAPTION_COLUMNS, Columns
from schemas.errors import ConfigError
from schemas.records import Failure, Reason, Reference, Stage, Task
from schemas.text import nearest_hint


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
        return {
            "kind": "huggingface",
            "limit": self.config.limit,
            **about,
            **self._columns(address).as_json(),
        }

    def plan(self) -> Iterator[Task]:
        """A task is ``{address, shard, columns}``. Its rows are an estimate, and counted under a limit."""
        address = self._address()
        columns = self._columns(address)
        with answers(address.name):
            data = open_stream(address)
            shards = data.num_shards
            estimate = estimated_rows(data, address.split, shards) or self.shard_samples
        left = self.config.limit
        for number in range(shards):
            payload = {"address": asdict(address), "shard": number, "columns": columns.as_json()}
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
        columns, shard = Columns.from_json(task.payload["columns"]), task.payload["shard"]
        where = f"{address.name}, shard {shard}"
        row = 0
        try:
            with answers(address.name):
                rows = rows_of(address, shard, columns)
                if task.exact:
                    rows = islice(rows, task.samples)
                for values in rows:
                    self.progress(where)
                    meta = {"dataset": address.name, "split": address.split, "shard": shard, "row": row}
                    cells = {name: Cell(value, name == columns.image) for name, value in values.items()}
                    yield reference(_key(shard, row), NAME, cells, columns, meta, self.picture_bytes)
                    row += 1
        except BrokenShardError as error:
            yield Failure(_key(shard, row), Stage.READ, Reason.UNREADABLE, f"{where}: {error}")

    def lose(self, task: Task, done: int) -> Loss:
        """The rest of a shard is one input, because its number of inputs is not known."""
        shard = task.payload["shard"]
        return Loss((_key(shard, done),), f"{task.payload['address']['name']}, shard {shard}", None)

    def _address(self) -> Address:
        name = hub_name(self.config.uri or "") or ""
        with answers(name):
            return resolve(name, self.config.revision, self.config.subset, self.config.split)

    def _columns(self, address: Address) -> Columns:
        with answers(address.name):
            return choose(features_of(open_stream(address)), self.config, address.name)

    def _count(self, address: Address, shard: int, columns: Columns, most: int) -> int:
        """The rows of a shard, up to `most`; formats of columns read the captions alone."""
        captions = Columns(None, None, columns.caption)
        with answers(address.name):
            return sum(1 for _ in islice(rows_of(address, shard, captions), most))


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
    check_kept(config.keep, list(features), (image, url, caption), name)
    return Columns(image, url, caption, config.boxes, config.keep)


def _named(column: str | None, features: dict[str, str], field: str) -> str | None:
    if column is not None and column not in features:
        raise ConfigError(
            f"source.{field}_column: no column {column!r}; there are {', '.join(features)}"
            f"{nearest_hint(column, features)}"
        )
    return column


def _key(shard: int, row: int) -> str:
    return f"{NAME}-{shard:06d}-{row:07d}"
