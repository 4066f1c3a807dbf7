"""The files of the pass over the whole input, in the output:

_zoetrope/curation/
  rows/00012.parquet       the keys and marks of a task's inputs; a pass that was stopped continues from here
  verdicts/00012.parquet   the inputs of a task that share a mark with others
  done.json                the fingerprint of the job whose pass is complete
"""

from __future__ import annotations

import hashlib
import io
from collections.abc import Sequence
from dataclasses import dataclass

import pyarrow as pa
import pyarrow.parquet as pq

from pipelines.curation.whole import Marks
from pipelines.output.job import task_to_json
from schemas.records import Task
from storage.read import read_bytes
from storage.uris import join
from storage.write import write_bytes

FOLDER = "curation"  # in the bookkeeping of the output
VERDICTS = pa.schema(
    [
        ("key", pa.string()),
        ("filter", pa.string()),
        ("count", pa.int64()),  # samples of the group
        ("first", pa.string()),  # key of its first sample
    ]
)
_OF_TASK = b"task"


@dataclass(frozen=True)
class Verdict:
    """A group that a sample belongs to."""

    count: int
    first: str


def write_rows(folder: str, task: Task, keys: Sequence[str], marks: Sequence[Marks]) -> None:
    """Write the keys and marks of a task, whole or not at all."""
    columns = {"key": pa.array(keys, pa.string())}
    for number, column in enumerate(zip(*marks, strict=True)):
        columns[f"mark_{number}"] = pa.array(column, pa.binary())
    table = pa.table(columns).replace_schema_metadata({_OF_TASK: _digest(task)})
    write_bytes(_rows_path(folder, task.index), _encoded(table))


def read_rows(folder: str, task: Task) -> pa.Table | None:
    """The rows of a task; None if there are none, or those of another task of this number."""
    try:
        table = pq.read_table(io.BytesIO(read_bytes(_rows_path(folder, task.index))), use_threads=False)
    except (FileNotFoundError, pa.ArrowException):
        return None
    if (table.schema.metadata or {}).get(_OF_TASK) != _digest(task):
        return None
    return table


def read_keys(folder: str, task: int) -> list[str]:
    """The keys of a task's rows, in order."""
    data = read_bytes(_rows_path(folder, task))
    return pq.read_table(io.BytesIO(data), columns=["key"], use_threads=False)["key"].to_pylist()


def write_verdicts(folder: str, task: int, rows: Sequence[tuple[str, str, int, str]]) -> None:
    """Write the verdicts of a task: (key, filter, count, first) in order."""
    named = [dict(zip(VERDICTS.names, row, strict=True)) for row in sorted(rows)]
    write_bytes(_verdicts_path(folder, task), _encoded(pa.Table.from_pylist(named, VERDICTS)))


def read_verdicts(folder: str, task: int) -> dict[str, dict[str, Verdict]]:
    """The verdicts of a task by key and filter. A task without repeats has no file."""
    try:
        data = read_bytes(_verdicts_path(folder, task))
    except FileNotFoundError:
        return {}
    found: dict[str, dict[str, Verdict]] = {}
    for row in pq.read_table(io.BytesIO(data), use_threads=False).to_pylist():
        found.setdefault(row["key"], {})[row["filter"]] = Verdict(row["count"], row["first"])
    return found


def _encoded(table: pa.Table) -> bytes:
    out = io.BytesIO()
    pq.write_table(table, out, compression="zstd")
    return out.getvalue()


def _digest(task: Task) -> bytes:
    return hashlib.sha256(task_to_json(task)).hexdigest().encode()


def _rows_path(folder: str, task: int) -> str:
    return join(folder, "rows", f"{task:05d}.parquet")


def _verdicts_path(folder: str, task: int) -> str:
    return join(folder, "verdicts", f"{task:05d}.parquet")
