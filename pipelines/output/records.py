"""The records of an output: the tasks that are done, and the outcome of their inputs."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from pipelines.output.folder import Output
from pipelines.output.record import META, Record
from schemas.errors import ConfigError
from schemas.manifest import ShardRow
from schemas.text import one_line
from storage.find import list_names
from storage.read import open_uri, read_bytes


def done_tasks(output: Output) -> set[int]:
    """The tasks that have a record."""
    found = (
        name.removesuffix(".parquet")
        for name in list_names(output.state("records"))
        if name.endswith(".parquet")
    )
    return {int(name) for name in found if name.isdigit()}


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
        meta = json.loads((pq.read_schema(io.BytesIO(read_bytes(path))).metadata or {})[META])
        return RecordHead(meta.get("attempt", ""), tuple(ShardRow(**row) for row in meta["shards"]))
    except (pa.ArrowException, KeyError, TypeError, ValueError) as error:
        raise ValueError(_bad_record(path, error)) from None


def find_head(output: Output, task: int) -> RecordHead | None:
    """As `read_head`; None if the record is gone, as when a worker that outlived its job withdraws it."""
    try:
        return read_head(output, task)
    except FileNotFoundError:
        return None


def iter_records(output: Output) -> Iterator[Record]:
    """Every record in task order, one at a time in memory.

    A failure that a later task (`zoetrope retry`) has made again is left out of the earlier record, so that
    each input has exactly one row.
    """
    done = done_tasks(output)
    origins = {row["index"]: row["origin"] for row in iter_retry_tasks(output) if row["index"] in done}
    later: dict[int, list[int]] = {}
    for retry, origin in origins.items():
        later.setdefault(origin, []).append(retry)
    for task in sorted(done):
        retries = [retry for retry in later.get(origins.get(task, task), ()) if retry > task]
        answered = {key for retry in retries for key in read_record(output, retry).rows["key"].to_pylist()}
        yield read_record(output, task).without_failures(frozenset(answered))


def iter_retry_tasks(output: Output) -> Iterator[dict[str, Any]]:
    """The rows of the retry plans, in task order: the fields of a Task, and the task of the plan that it
    repeats.

    Raises ConfigError that names a damaged plan.
    """
    for name in sorted(list_names(output.state("retries"))):
        if name.endswith(".jsonl"):
            yield from _rows_of(output.state("retries", name))


def _rows_of(path: str) -> Iterator[dict[str, Any]]:
    with open_uri(path) as stream:
        for number, line in enumerate(stream, 1):
            try:
                row = json.loads(line)
                row["index"], row["origin"]
            except (ValueError, KeyError, TypeError) as error:
                raise ConfigError(
                    f"{path}: line {number} is damaged: {one_line(error)}; remove the file to plan the "
                    "retry again"
                ) from None
            yield row


def _bad_record(path: str, error: Exception) -> str:
    return f"{path}: not a record: {error}; remove it and run the job again to make its task"
