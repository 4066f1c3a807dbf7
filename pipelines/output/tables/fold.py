"""Fold the records of a range of tasks into a part of the tables."""

from __future__ import annotations

import io
import json
import uuid
from collections import Counter
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import asdict
from types import TracebackType
from typing import Self

import pyarrow as pa
import pyarrow.parquet as pq

from pipelines.output.aside import is_placeholder
from pipelines.output.folder import Output
from pipelines.output.record import META, Record
from pipelines.output.records import read_record
from pipelines.output.tables.parts import READS_AT_ONCE, TABLES, Part, head_path, rows_path
from schemas.manifest import FAILURES, FAILURES_FILE, MANIFEST, SAMPLES, SAMPLES_FILE, ShardRow
from storage.ordered import in_order
from storage.write import (
    as_stream,
    create_file,
    move_file,
    remove_empty_folder,
    remove_tree,
    write_bytes,
)

PIECES = 256  # tables that wait for a row group; each takes kilobytes, however few its rows
ROW_GROUP = 16_384  # rows; small enough that a reader of one page of samples reads little


class TableFile:
    """A Parquet file that is written piece by piece, in row groups of a fixed size.

    It counts once its block has ended well. After an error the file may be left in part, and the caller
    removes it.
    """

    def __init__(self, path: str, schema: pa.Schema) -> None:
        self._file = create_file(path)
        self._writer = pq.ParquetWriter(as_stream(self._file), schema, compression="zstd")
        self._waiting: list[pa.Table] = []
        self._rows = 0

    def append(self, table: pa.Table) -> None:
        """Add rows. Raises OSError that names the file."""
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

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is None:
            if self._rows:
                self._writer.write_table(pa.concat_tables(self._waiting))
            self._writer.close()
            self._file.close()
            return
        with suppress(Exception):  # the disk is full; else pyarrow would complain when it is collected
            self._writer.close()
        self._file.discard()


def fold_part(output: Output, part: Part) -> None:
    """Fold the records of a part. May be cut off anywhere, and run twice at once: the files are the same.

    Reads `READS_AT_ONCE` records at a time; as many are in memory. Raises OSError, and ValueError that names
    a damaged record.
    """
    folder = output.tmp(f"fold-{uuid.uuid4().hex}")
    try:
        with (
            TableFile(f"{folder}/{SAMPLES_FILE}", SAMPLES) as samples,
            TableFile(f"{folder}/{FAILURES_FILE}", FAILURES) as failures,
        ):
            shards, counts, reasons = _append_records(_records_of(output, part), samples, failures)
        for table in TABLES:
            move_file(f"{folder}/{table}", rows_path(output, part, table))
    except BaseException:
        remove_tree(folder)
        raise
    meta = {"tasks": counts, "reasons": dict(sorted(reasons.items()))}
    rows = pa.Table.from_pylist([asdict(row) for row in shards], MANIFEST)
    head = io.BytesIO()
    pq.write_table(rows.replace_schema_metadata({META: json.dumps(meta).encode()}), head, compression="zstd")
    # Last: a part without its head does not count.
    write_bytes(head_path(output, part), head.getvalue())
    remove_empty_folder(folder)


def _append_records(
    records: Iterable[Record], samples: TableFile, failures: TableFile
) -> tuple[list[ShardRow], list[tuple[int, int, int, int]], Counter[str]]:
    shards: list[ShardRow] = []
    counts: list[tuple[int, int, int, int]] = []
    reasons: Counter[str] = Counter()
    for record in records:
        written, failed = record.samples, record.failures
        samples.append(written)
        failures.append(failed)
        shards += record.shards
        counts.append((record.task, record.inputs, written.num_rows, failed.num_rows))
        reasons.update(failed["reason"].to_pylist())
    return shards, counts, reasons


def _records_of(output: Output, part: Part) -> Iterator[Record]:
    """The records of a part in order. Each lacks the failures that a later retry has answered."""
    retries = part.retries_of()
    origins = {retry: origin for origin, numbers in retries.items() for retry in numbers}

    def read(task: int) -> Record:
        record = read_record(output, task)
        later = [retry for retry in retries.get(origins.get(task, task), ()) if retry > task]
        if not later or not record.failed:
            return record
        answered = {key for retry in later for key in read_record(output, retry).rows["key"].to_pylist()}
        # A task whose inputs could not be read was made again as a whole.
        unread = {key for key in record.failures["key"].to_pylist() if is_placeholder(key)}
        return record.without_failures(frozenset(answered | unread))

    with ThreadPoolExecutor(READS_AT_ONCE) as pool:
        yield from in_order(lambda task: pool.submit(read, task), part.numbers(), calls=READS_AT_ONCE)
