"""The end of a job: write the tables and pages of the output from the records, in task order.

One record is in memory at a time, however many samples there are. Every table is written under a temporary
name and moved, so that a kill leaves the old tables or the new ones.
"""

from __future__ import annotations

import hashlib
import uuid
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from typing import IO, Any

import pyarrow as pa
import pyarrow.parquet as pq
import yaml

from pipelines.output import card
from pipelines.output.commit import settle_all
from pipelines.output.folder import Output
from pipelines.output.record import Record
from pipelines.output.records import iter_records
from schemas.manifest import FAILURES, FAILURES_FILE, MANIFEST, MANIFEST_FILE, SAMPLES, SAMPLES_FILE, ShardRow
from schemas.version import VERSION
from storage.read import open_uri
from storage.write import as_stream, create_file, move_file, remove_tree, write_bytes

PIECES = 256  # tables that wait for a row group; each takes kilobytes, however few its rows
ROW_GROUP = 16_384  # rows; small enough that a reader of one page of samples reads little


@dataclass(frozen=True)
class Totals:
    """The content of the whole output, over every run that added to it."""

    tasks: int
    inputs: int
    written: int
    failed: int
    bytes: int  # of all shards
    reasons: Mapping[str, int] = field(default_factory=dict)
    shards: tuple[ShardRow, ...] = ()

    @property
    def off_by(self) -> int:
        """Inputs that are neither written nor failed. Anything but 0 is an error."""
        return self.inputs - self.written - self.failed


class _Table:
    """A Parquet file that is written record by record, in row groups of a fixed size."""

    def __init__(self, stream: IO[bytes], schema: pa.Schema) -> None:
        self._writer = pq.ParquetWriter(stream, schema, compression="zstd")
        self._schema = schema
        self._waiting: list[pa.Table] = []
        self._rows = 0

    def append(self, table: pa.Table) -> None:
        """Add rows."""
        if not table.num_rows:
            return
        self._waiting.append(table)
        self._rows += table.num_rows
        if len(self._waiting) >= PIECES:
            self._waiting = [pa.concat_tables(self._waiting).combine_chunks()]
        while self._rows >= ROW_GROUP:
            whole = pa.concat_tables(self._waiting)
            self._writer.write_table(whole.slice(0, ROW_GROUP))
            self._waiting = [whole.slice(ROW_GROUP)]
            self._rows -= ROW_GROUP

    def close(self) -> None:
        """Write the waiting rows and the footer."""
        if self._rows:
            self._writer.write_table(pa.concat_tables(self._waiting))
        self._writer.close()


def finish(
    output: Output,
    config: Mapping[str, Any],
    *,
    published: str,
    seen: Callable[[Record], None] = lambda record: None,
) -> Totals:
    """Write every table and page but the report, which also needs the measurements of the run.

    `config` is the resolved config as plain values, `published` an ISO date for croissant.json. `seen` is
    called with every record. Raises OSError that names the path (disk full, not writable); then no file is
    half-written under a final name.
    """
    settle_all(output)
    names = (MANIFEST_FILE, SAMPLES_FILE, FAILURES_FILE)
    schemas = (MANIFEST, SAMPLES, FAILURES)
    folder = output.tmp(f"finish-{uuid.uuid4().hex[:8]}")
    streams = [create_file(f"{folder}/{name}") for name in names]
    tables = [_Table(as_stream(stream), schema) for stream, schema in zip(streams, schemas, strict=True)]
    try:
        totals = _stream_records(output, tables[0], tables[1], tables[2], seen)
        for table in tables:
            table.close()
    finally:
        for stream in streams:
            stream.close()
    facts = card.Facts(
        name=output.uri.rstrip("/").rsplit("/", 1)[-1],
        config=config,
        shards=totals.shards,
        samples=totals.written,
        failed=totals.failed,
        reasons=totals.reasons,
        version=VERSION,
        samples_sha256=_sha256(f"{folder}/{SAMPLES_FILE}"),
    )
    pages = {
        "sizes.json": card.sizes_json(totals.shards),
        "wids.json": card.wids_json(facts.name, totals.shards),
        "config.yaml": yaml.safe_dump(dict(config), sort_keys=False, allow_unicode=True).encode(),
        "README.md": card.readme_md(facts),
        "croissant.json": card.croissant_json(facts, published=published),
    }
    for name, data in pages.items():
        write_bytes(output.path(name), data)
    for name in names:
        move_file(f"{folder}/{name}", output.path(name))
    remove_tree(folder)
    return totals


def _stream_records(
    output: Output, manifest: _Table, samples: _Table, failures: _Table, seen: Callable[[Record], None]
) -> Totals:
    """Append every record's rows to the three tables, and count."""
    tasks = inputs = written = failed = size = 0
    reasons: Counter[str] = Counter()
    shards: list[ShardRow] = []
    for record in iter_records(output):
        seen(record)
        tasks += 1
        inputs += record.inputs
        written += record.written
        failed += record.failed
        size += sum(row.bytes for row in record.shards)
        shards += record.shards
        reasons.update(record.failures["reason"].to_pylist())
        manifest.append(pa.Table.from_pylist([asdict(row) for row in record.shards], MANIFEST))
        samples.append(record.samples)
        failures.append(record.failures)
    return Totals(tasks, inputs, written, failed, size, dict(reasons.most_common()), tuple(shards))


def _sha256(path: str) -> str:
    digest = hashlib.sha256()
    with open_uri(path) as stream:
        while block := stream.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()
