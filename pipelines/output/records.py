"""The records of an output: the tasks that are done, and the outcome of their inputs."""

from __future__ import annotations

import io
import logging
from collections.abc import Sequence
from dataclasses import dataclass, replace

import pyarrow as pa
import pyarrow.parquet as pq

from pipelines.output.folder import Output
from pipelines.output.listing import task_of_record
from pipelines.output.record import Record, read_about
from schemas.manifest import ShardRow
from storage.folders import list_names
from storage.read import file_size, read_bytes, sha256_of
from storage.write import remove_file, write_bytes

LOG = logging.getLogger(__name__)


def done_tasks(output: Output) -> set[int]:
    """The tasks that have a record."""
    found = (task_of_record(name) for name in list_names(output.state("records")))
    return {task for task in found if task is not None}


def read_record(output: Output, task: int) -> Record:
    """One task's record as it was written. Raises OSError, or ValueError that names the file."""
    path = output.record_path(task)
    try:
        record = Record.from_bytes(read_bytes(path))
        _check_task(record.task, task)
        return record
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
        _check_task(about.task, task)
        return RecordHead(about.attempt, about.shards)
    except (pa.ArrowException, ValueError) as error:
        raise ValueError(_bad_record(path, error)) from None


def _check_task(found: int, task: int) -> None:
    if found != task:
        raise ValueError(f"it is of task {found}")


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


def corrected_head(output: Output, task: int) -> RecordHead | None:
    """As `find_head`, with the true sizes of shards that are whole: those whose files have their SHA-256.

    A record with wrong sizes is written again. Shards of another size than the record's are read whole.
    """
    head = find_head(output, task)
    if head is None:
        return None
    shards = with_true_sizes(output, head.shards)
    if shards == head.shards:
        return head
    record = replace(read_record(output, task), shards=shards)
    write_bytes(output.record_path(task), record.to_bytes(head.attempt))
    LOG.warning(
        f"{output.record_path(task)}: its sizes of shards are wrong, and their SHA-256 is right; "
        "the sizes are corrected"
    )
    return replace(head, shards=shards)


def with_true_sizes(output: Output, shards: Sequence[ShardRow]) -> tuple[ShardRow, ...]:
    """The rows, with the size of its file in a row of another size whose file has its SHA-256."""
    return tuple(_with_true_size(output.path(row.shard), row) for row in shards)


def _with_true_size(path: str, row: ShardRow) -> ShardRow:
    size = file_size(path)
    if not size or size == row.bytes or sha256_of(path) != row.sha256:
        return row
    return replace(row, bytes=size)


def _bad_record(path: str, error: Exception) -> str:
    return f"{path}: not a record: {error}; remove it and run the job again to make its task"
