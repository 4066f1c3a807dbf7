"""Parquet tables with a column of pictures, or of URLs, and a column of captions."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from itertools import accumulate
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from pipelines.sources.annotations.references import reference
from pipelines.sources.base import Loss, Source
from pipelines.sources.config import SourceConfig
from pipelines.sources.growth.files import find_known, relative_names
from pipelines.sources.growth.known import Known, changed, with_marks
from pipelines.sources.parquet.files import (
    Columns,
    check_types,
    choose_columns,
    groups_digest,
    open_footer,
)
from pipelines.sources.parquet.rows import parts_of, reported, rows_of
from schemas.errors import ConfigError
from schemas.records import Failure, Reason, Reference, Stage, Task
from schemas.text import counted
from storage.find import FileInfo, find_some, identity
from storage.read import open_input

BUFFER = 1024 * 1024  # bytes of a read
FIELD = "source.uri"


class ParquetSource(Source):
    """Rows of a glob of tables, counted over all of them. Key: the row's number.

    A task is planned from footers alone and reads only the row groups and columns it needs, a few rows at a
    time. A row group is decoded from its beginning, so groups of far more rows than a shard has cost repeated
    work.
    """

    config: SourceConfig
    name = "parquet"  # of the source, in keys and in KEY.json

    @property
    def keys_are_row_numbers(self) -> bool:
        """Always."""
        return True

    @property
    def plans_apart(self) -> bool:
        """Always: footers are parsed by Arrow's C++, pages by its decompressors too."""
        return True

    def fingerprint(self) -> dict[str, Any]:
        """Kind, columns, names and sizes of the tables, and the limit."""
        files = self._files()
        columns = self._columns(files[0]).as_json()
        return {"kind": self.name, "limit": self.config.limit, **columns, **identity(files)}

    @property
    def is_remote(self) -> bool:
        """Are the pictures URLs?"""
        return self._columns(self._files()[0]).image is None

    @property
    def can_grow(self) -> bool:
        """Always: by row groups at the end of tables, and by further tables."""
        return True

    def plan(self) -> Iterator[Task]:
        """A task is ``{pieces: [[uri, first row, rows], ...], row, columns}``. Pieces may span files.

        Raises ConfigError for a later file whose columns differ from those of the first.
        """
        return self.plan_from(Known((), 0))

    def plan_from(self, known: Known) -> Iterator[Task]:
        """Known rows, by their row groups in the footers; then the rows after them."""
        files = self._files()
        columns = self._columns(files[0])
        ends: dict[str, int] = {}  # path -> rows that are planned
        row = 0
        for segment in known.segments:
            marks = [(name, json.loads(about)) for name, about in segment.pairs()]
            found = find_known(files, [name for name, _ in marks], FIELD)
            spans = [(found[name], mark) for name, mark in marks]
            pieces = (
                (file.path, mark["start"], mark["stop"]) for file, mark in self._unchanged(spans, columns)
            )
            for task in self._tasks(packed(pieces, self.shard_samples), columns, segment.first, row):
                yield task
                row += task.samples
            ends |= {file.path: mark["stop"] for file, mark in spans}
        room = known.room(self.config.limit)
        marks_of: list[tuple[str, str]] = []
        new = packed(self._new_rows(files, columns, ends, room, marks_of), self.shard_samples)
        yield from with_marks(self._tasks(new, columns, known.next, row), marks_of)

    def _tasks(
        self, packed: Iterator[list[list[Any]]], columns: Columns, index: int, row: int
    ) -> Iterator[Task]:
        for pieces in packed:
            samples = sum(rows for _, _, rows in pieces)
            yield Task(index, samples, {"pieces": pieces, "row": row, "columns": columns.as_json()})
            index, row = index + 1, row + samples

    def _unchanged(
        self, spans: list[tuple[FileInfo, dict[str, Any]]], columns: Columns
    ) -> Iterator[tuple[FileInfo, dict[str, Any]]]:
        for file, mark in spans:
            with self._footer(file, columns) as footer:
                if groups_digest(footer, mark["rows"]) != mark["sum"]:
                    detail = f"the row groups of its first {counted(mark['rows'], 'row')} have changed"
                    raise changed(FIELD, file.path, detail)
            yield file, mark

    def _new_rows(
        self,
        files: list[FileInfo],
        columns: Columns,
        ends: Mapping[str, int],
        room: int | None,
        marks: list[tuple[str, str]],
    ) -> Iterator[tuple[str, int, int]]:
        """Yield (path, first row, stop) of rows that are not planned yet, and append their marks."""
        names = relative_names(files)
        left: float = math.inf
        if room is not None:
            left = room
        for file in files:
            if left <= 0:
                return
            with self._footer(file, columns) as footer:
                rows, start = footer.num_rows, ends.get(file.path, 0)
                total = groups_digest(footer, rows)
            stop = int(min(rows, start + left))
            if stop <= start:
                continue
            left -= stop - start
            mark = {"start": start, "stop": stop, "rows": rows, "sum": total}
            marks.append((names[file.path], json.dumps(mark)))
            yield file.path, start, stop

    def read(self, task: Task) -> Iterator[Reference | Failure]:
        """Yield one reference or failure per row."""
        columns, number = Columns.from_json(task.payload["columns"]), task.payload["row"]
        for uri, first, rows in task.payload["pieces"]:
            self.progress(uri)
            done, problem = 0, (Reason.UNREADABLE, f"{uri}: has fewer rows than when planned")
            with reported(uri) as report, open_input(uri) as stream:
                table = pq.ParquetFile(stream, buffer_size=BUFFER, pre_buffer=False)
                for part in parts_of(table.metadata, first, rows):
                    with reported(uri) as group:
                        for cells in rows_of(table, part, columns.names, self.picture_bytes):
                            meta = {"file": uri.rpartition("/")[2], "row": first + done}
                            key = self._key(number + done)
                            yield reference(key, self.name, cells, columns, meta, self.picture_bytes)
                            done += 1
                    problem = group.problem or problem
                    end = part.first + part.rows - first
                    for row in range(done, end):
                        yield Failure(self._key(number + row), Stage.READ, *problem)
                    done = end
            problem = report.problem or problem
            for row in range(done, rows):
                yield Failure(self._key(number + row), Stage.READ, *problem)
            number += rows

    def lose(self, task: Task, done: int) -> Loss:
        """The rows of the same file are lost; those of later files are read."""
        pieces, row = task.payload["pieces"], task.payload["row"]
        following = list(accumulate((rows for _, _, rows in pieces), initial=0))
        place = next(i for i, end in enumerate(following[1:]) if done < end)
        keys = tuple(self._key(row + number) for number in range(done, following[place + 1]))
        rest = None
        if place + 1 < len(pieces):
            later = {"pieces": pieces[place + 1 :], "row": row + following[place + 1]}
            samples = following[-1] - following[place + 1]
            rest = replace(task, samples=samples, payload={**task.payload, **later})
        return Loss(keys, pieces[place][0], rest)

    def _key(self, row: int) -> str:
        return f"{self.name}-{row:09d}"

    def _files(self) -> list[FileInfo]:
        return find_some(self.config.uri or "", FIELD)[: self.first_files]

    def _columns(self, file: FileInfo) -> Columns:
        self.progress(file.path)
        with open_footer(file) as footer:
            return self._choose(footer.schema.to_arrow_schema(), file.path)

    def _choose(self, schema: pa.Schema, uri: str) -> Columns:
        return choose_columns(schema, self.config, uri)

    @contextmanager
    def _footer(self, file: FileInfo, columns: Columns) -> Iterator[pq.FileMetaData]:
        """The footer of a table that has the columns of the first one."""
        self.progress(file.path)
        with open_footer(file) as footer:
            schema = footer.schema.to_arrow_schema()
            missing = [name for name in columns.names if name not in schema.names]
            if missing:
                raise ConfigError(
                    f"source.uri: {file.path}: no column {missing[0]!r}, which the first file has"
                )
            check_types(schema, columns, file.path)
            yield footer


def packed(spans: Iterator[tuple[str, int, int]], size: int) -> Iterator[list[list[Any]]]:
    """Pieces ``[uri, first row, rows]``, packed into lists of `size` rows."""
    pieces: list[list[Any]] = []
    room = size
    for uri, first, stop in spans:
        while first < stop:
            take = min(room, stop - first)
            pieces.append([uri, first, take])
            first, room = first + take, room - take
            if not room:
                yield pieces
                pieces, room = [], size
    if pieces:
        yield pieces
