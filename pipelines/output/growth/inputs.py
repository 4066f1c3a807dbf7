"""The marks of an output's inputs, in a file per segment of its plan.

  _zoetrope/inputs/00000012-7-6800.parquet    seven tasks from 12 on, of 6,800 inputs

A listing alone shows how many segments there are. Only a growth, or a run after one, reads the files.
"""

from __future__ import annotations

import re
import uuid
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from pipelines.output.folder import Output
from pipelines.output.tables.fold import TableFile
from pipelines.sources.growth.known import MARKS, Segment, marks_table
from schemas.errors import ConfigError
from schemas.records import Task
from schemas.text import one_line
from storage.read import open_uri
from storage.write import move_file, remove_empty_folder, remove_file

NAME = re.compile(r"(\d{8,})-(\d+)-(\d+)\.parquet")


class InputsWriter:
    """Writes the marks of the tasks that pass, from the task `first` on. A block of it ends before it counts.

    Nothing is written for tasks without marks.
    """

    def __init__(self, output: Output, first: int) -> None:
        self._output, self.first = output, first
        self._path = output.tmp(f"inputs-{uuid.uuid4().hex}", "marks.parquet")
        self._table: TableFile | None = None
        self._tasks = self._inputs = 0

    def add(self, task: Task) -> None:
        """Add the marks of a task of the segment."""
        self._tasks += 1
        self._inputs += task.samples
        if task.marks:
            if self._table is None:
                self._table = TableFile(self._path, MARKS)
                self._table.__enter__()
            self._table.append(marks_table(task.marks))

    def keep(self, before: Iterable[str] = ()) -> str | None:
        """Move the file to its name, and remove those of `before`, which it replaces. Returns the name."""
        if self._table is None:
            return None
        self._table.__exit__(None, None, None)
        name = f"{self.first:08d}-{self._tasks}-{self._inputs}.parquet"
        for old in before:
            if old != name:
                remove_file(self._output.state("inputs", old))
        move_file(self._path, self._output.state("inputs", name))
        remove_empty_folder(self._path.rpartition("/")[0])
        return name


def segments_of(names: Iterable[str]) -> list[tuple[int, int]]:
    """(first task, tasks) of each segment, by the names of the files, in order."""
    found = (NAME.fullmatch(name) for name in names)
    return sorted((int(match[1]), int(match[2])) for match in found if match)


def read_segments(output: Output, names: Sequence[str]) -> list[Segment]:
    """Read the marks of these files. Raises ConfigError that names a damaged one."""
    return sorted(_segments(output, names), key=lambda segment: segment.first)


def _segments(output: Output, names: Sequence[str]) -> Iterator[Segment]:
    for name in names:
        match = NAME.fullmatch(name)
        if match is None:
            continue
        path = output.state("inputs", name)
        try:
            with open_uri(path) as stream:
                marks: Any = pq.read_table(stream, schema=MARKS, use_threads=False)
            if any(column.null_count for column in marks.columns):
                raise ValueError("a row of it lacks a value")
        except (pa.ArrowException, ValueError) as error:
            raise ConfigError(
                f"{path}: damaged: {one_line(error)}; restore it, or give another output, or overwrite=true"
            ) from None
        yield Segment(int(match[1]), int(match[2]), int(match[3]), marks)
