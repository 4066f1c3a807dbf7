"""The record of a task: a Parquet file with one row per input. A task is done when its record is there."""

from __future__ import annotations

import io
import json
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from pipelines.output.folder import task_of
from schemas.json_text import read_json_as
from schemas.manifest import FAILURES, SAMPLES, ShardRow
from schemas.text import one_line
from storage.tables import read_bounded

RECORD = pa.schema(
    [
        ("status", pa.string()),
        *SAMPLES,
        *(f for f in FAILURES if f.name in ("stage", "reason", "detail")),
        ("task", pa.int64()),
    ]
)
META = b"zoetrope"


@dataclass(frozen=True)
class Record:
    """The outcome of every input of one task."""

    task: int
    fingerprint: str
    inputs: int  # read from the source; equals written + failed, unless something was lost
    rows: pa.Table  # RECORD: one row per input, in input order
    shards: tuple[ShardRow, ...] = ()
    # milliseconds per stage, seconds of the shard
    counters: Mapping[str, float] = field(default_factory=dict)

    @property
    def samples(self) -> pa.Table:
        """The rows of written samples, as SAMPLES."""
        return self._where("written").select(SAMPLES.names).cast(SAMPLES)

    @property
    def failures(self) -> pa.Table:
        """The rows of failed inputs, as FAILURES."""
        return self._where("failed").select(FAILURES.names).cast(FAILURES)

    @property
    def written(self) -> int:
        """Number of inputs that became samples."""
        return self._where("written").num_rows

    @property
    def failed(self) -> int:
        """Number of inputs that failed."""
        return self._where("failed").num_rows

    def without_failures(self, keys: frozenset[str]) -> Record:
        """The record without its failures of these keys, which a later task has made again."""
        if not keys:
            return self
        status, names = self.rows["status"].to_pylist(), self.rows["key"].to_pylist()
        keep = [not (s == "failed" and k in keys) for s, k in zip(status, names, strict=True)]
        kept = self.rows.filter(pa.array(keep, pa.bool_()))
        dropped = self.rows.num_rows - kept.num_rows
        return Record(
            task=self.task,
            fingerprint=self.fingerprint,
            inputs=self.inputs - dropped,
            rows=kept,
            shards=self.shards,
            counters=self.counters,
        )

    def _where(self, status: str) -> pa.Table:
        return self.rows.filter(pc.equal(self.rows["status"], status))

    def to_bytes(self, attempt: str) -> bytes:
        """As a Parquet file that names the attempt which made the shards."""
        meta = {
            "attempt": attempt,
            "task": self.task,
            "fingerprint": self.fingerprint,
            "inputs": self.inputs,
            "shards": [asdict(row) for row in self.shards],
            "counters": dict(self.counters),
        }
        out = io.BytesIO()
        pq.write_table(
            self.rows.replace_schema_metadata({META: json.dumps(meta).encode()}), out, compression="zstd"
        )
        return out.getvalue()

    @classmethod
    def from_bytes(cls, data: bytes) -> Record:
        """Parse a record. Raises ValueError if it is damaged."""
        try:
            rows = read_bounded(pq.ParquetFile(io.BytesIO(data)))
            about = read_about(rows.schema)
            rows = with_columns(rows.replace_schema_metadata(None), RECORD).cast(RECORD)
            rows.validate(full=True)
        except (pa.ArrowException, ValueError, OSError) as error:
            raise ValueError(one_line(error, 200)) from None
        return cls(about.task, about.fingerprint, about.inputs, rows, about.shards, about.counters)


@dataclass(frozen=True)
class About:
    """The metadata of a record's file."""

    task: int
    fingerprint: str
    inputs: int
    shards: tuple[ShardRow, ...]
    counters: Mapping[str, float] = field(default_factory=dict)
    attempt: str = ""  # the attempt that made the shards; "" in records of earlier versions


def read_about(schema: pa.Schema) -> About:
    """Read the metadata of a record's file. Raises ValueError if it is damaged.

    Shards are moved to the names in it, so that a name outside the output is refused.
    """
    text = (schema.metadata or {}).get(META)
    if text is None:
        raise ValueError("it is no record")
    about = read_json_as(About, text)
    for row in about.shards:
        if task_of(row.shard) != about.task:
            raise ValueError(f"shard {row.shard!r} is no name of a shard of task {about.task}")
    if about.attempt != os.path.basename(about.attempt) or about.attempt in (".", ".."):
        raise ValueError(f"attempt {about.attempt!r} is no name of a folder")
    return about


def with_columns(rows: pa.Table, schema: pa.Schema) -> pa.Table:
    """The rows with the columns of `schema`, in its order. A column of a later version is null."""
    for column in schema:
        if column.name not in rows.column_names:
            rows = rows.append_column(column, pa.nulls(rows.num_rows, column.type))
    return rows.select(schema.names)
