"""Data sets on disk in tables: Arrow files, and Parquet files as the hub has them."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import replace

import pyarrow as pa

from pipelines.sources.annotations.references import reference
from pipelines.sources.config import SourceConfig
from pipelines.sources.hub.arrow import count_rows, read_rows, schema_of
from pipelines.sources.hub.layout import Place
from pipelines.sources.parquet.files import BROKEN, Columns, check_types, choose_columns
from pipelines.sources.parquet.rows import reported
from pipelines.sources.parquet.source import ParquetSource, packed
from schemas.errors import ConfigError
from schemas.records import Failure, Reason, Reference, Stage, Task
from schemas.text import one_line
from storage.find import FileInfo
from storage.uris import join, safe_relative

NAME = "hf"  # in keys


def with_image_column(config: SourceConfig, schema: pa.Schema) -> SourceConfig:
    """The config, with the only column of images if none is named and none is called `image`."""
    named = config.image_column or config.url_column
    images = [field.name for field in schema if is_image(field.type)]
    if named or "image" in schema.names or len(images) != 1:
        return config
    return config.model_copy(update={"image_column": images[0]})


def is_image(kind: pa.DataType) -> bool:
    """Is it the storage of `datasets.Image`, {bytes, path}?"""
    if pa.types.is_struct(kind):
        names = {field.name for field in kind}
    else:
        names = set()
    return names == {"bytes", "path"}


class HubParquetSource(ParquetSource):
    """Parquet files of one split. Key: the row's number in the split."""

    name = NAME

    def __init__(self, config: SourceConfig, place: Place, *, shard_samples: int) -> None:
        super().__init__(config, shard_samples=shard_samples)
        self._place = place

    def _files(self) -> list[FileInfo]:
        return list(self._place.files)[: self.first_files]

    def _choose(self, schema: pa.Schema, uri: str) -> Columns:
        return choose_columns(schema, with_image_column(self.config, schema), uri)


class ArrowSource(HubParquetSource):
    """Arrow files of one split. Key: the row's number in the split. A picture may be a file of the folder."""

    @property
    def can_grow(self) -> bool:
        """Never: a data set is saved whole."""
        return False

    def plan(self) -> Iterator[Task]:
        """As of Parquet. Raises ConfigError for a later file whose columns differ from those of the first."""
        files = self._files()
        columns = self._columns(files[0])
        yield from self._tasks(packed(self._spans(files, columns), self.shard_samples), columns, 0, 0)

    def read(self, task: Task) -> Iterator[Reference | Failure]:
        """Yield one reference or failure per row."""
        columns, number = Columns.from_json(task.payload["columns"]), task.payload["row"]
        for uri, first, rows in task.payload["pieces"]:
            self.progress(uri)
            done, problem = 0, (Reason.UNREADABLE, f"{uri}: has fewer rows than when planned")
            with reported(uri) as report:
                for cells in read_rows(uri, first, rows, columns.names):
                    yield self._row(number + done, cells, columns, uri, first + done)
                    done += 1
            problem = report.problem or problem
            for row in range(done, rows):
                yield Failure(self._key(number + row), Stage.READ, *problem)
            number += rows

    def _row(
        self, number: int, cells: Mapping[str, pa.Scalar], columns: Columns, uri: str, row: int
    ) -> Reference | Failure:
        meta = {"file": uri.rpartition("/")[2], "row": row}
        key = self._key(number)
        path = self._path(cells, columns)
        if path is None:
            return reference(key, NAME, cells, columns, meta, self.picture_bytes)
        without = replace(columns, image=None)
        return reference(key, NAME, cells, without, meta, self.picture_bytes, path=path)

    def _path(self, cells: Mapping[str, pa.Scalar], columns: Columns) -> str | None:
        """The file of a picture without bytes, if it is in the data set's folder: rows name no others."""
        value = None
        if columns.image:
            with suppress(UnicodeDecodeError):  # its row is a failure
                value = cells[columns.image].as_py()
        if not isinstance(value, dict) or value.get("bytes") is not None or not value.get("path"):
            return None
        root = self._place.root
        inside = safe_relative(str(value["path"]).removeprefix(f"{root}/"))
        if inside is None:
            return None
        return join(root, inside)

    def _columns(self, file: FileInfo) -> Columns:
        self.progress(file.path)
        with _damage(file.path):
            schema = schema_of(file.path)
        return self._choose(schema, file.path)

    def _spans(self, files: list[FileInfo], columns: Columns) -> Iterator[tuple[str, int, int]]:
        """Yield (path, 0, rows) of each file, up to the limit."""
        left: float = math.inf
        if self.config.limit is not None:
            left = self.config.limit
        for file in files:
            self.progress(file.path)
            with _damage(file.path):
                schema = schema_of(file.path)
                missing = [name for name in columns.names if name not in schema.names]
                if missing:
                    raise ConfigError(
                        f"source.uri: {file.path}: no column {missing[0]!r}, which the first file has"
                    )
                check_types(schema, columns, file.path)
                rows = int(min(count_rows(file.path), left))
            if rows:
                yield file.path, 0, rows
            left -= rows
            if left <= 0:
                return


@contextmanager
def _damage(uri: str) -> Iterator[None]:
    """Raise ConfigError that names a file that Arrow cannot read. OSErrors of a source that is gone pass."""
    try:
        yield
    except ConfigError:
        raise
    except (OSError, *BROKEN) as error:
        if isinstance(error, OSError) and (error.errno is not None or isinstance(error, FileNotFoundError)):
            raise
        raise ConfigError(
            f"source.uri: {uri}: not a readable Arrow file: {one_line(error, 200)}; save the data set again"
        ) from None
