"""The records of an output: the tasks that are done, and the outcome of their inputs."""

from __future__ import annotations

import io
from dataclasses import dataclass

import pyarrow as pa
import pyarrow.parquet as pq

from pipelines.output.folder import Output
from pipelines.output.listing import task_of_record
from pipelines.output.record import Record, read_about
from schemas.manifest import ShardRow
from storage.folders import list_names
from storage.read import read_bytes
from storage.write import remove_file


def done_tasks(output: Output) -> set[int]:
    """The tasks that have a record."""
    found = (task_of_record(name) for name in list_names(output.state("records")))
    return {task for task in found if task is not None}


def read_record(output: Output, task: int) -> Record:
    """One task's record as it was written. Raises OSError, or ValueError that names the file."""
    path = output.record_path(task)
    try:
        return Record.from_bytes(read_bytes(path))
    except ValueError as error:
        raise ValueError(_bad_record(path, error)) from None


@dataclass(frozen=True)
class RecordHead:
    """A record without its rows."""

    attempt: str  # the attempt that made the shards; "" in records of earlier versions
    shards: tuple[ShardRow, ...]


def read_head(output: Output, task: int) -> RecordHead:
    """One task's record without its rows. Raises as `read_record`."""
    path = output.record_path(task)
    try:
        about = read_about(pq.read_schema(io.BytesIO(read_bytes(path))))
        return RecordHead(about.attempt, about.shards)
    except (pa.ArrowException, ValueError) as error:
        raise ValueError(_bad_record(path, error)) from None


def find_head(output: Output, task: int) -> RecordHead | None:
    """As `read_head`; None if the record is gone, as when a worker that outlived its job withdraws it."""
    try:
        return read_head(output, task)
    except FileNotFoundError:
        return None


def withdraw(output: Output, task: int, attempt: str) -> None:
    """Remove the record of this attempt at a task, but not the record of another attempt."""
    head = find_head(output, task)
    if head is not None and head.attempt == attempt:
        remove_file(output.record_path(task))


def _bad_record(path: str, error: Exception) -> str:
    return f"{path}: not a record: {error}; remove it and run the job again to make its task"
