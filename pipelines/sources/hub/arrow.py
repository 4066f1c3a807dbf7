"""Arrow files, as `save_to_disk` writes them: a stream of record batches, read by ranges of rows.

A local file is mapped into memory, so that batches before a range cost their headers alone.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pyarrow as pa

from storage.read import open_input
from storage.uris import local_path

BATCH_ROWS = 64  # of a batch that are checked and read together


@contextmanager
def open_batches(uri: str) -> Iterator[pa.RecordBatchStreamReader]:
    """The batches of a file. Raises OSError, and ArrowException for a damaged one."""
    here = local_path(uri)
    if here is None:
        with open_input(uri) as stream, pa.ipc.open_stream(stream) as reader:
            yield reader
        return
    with pa.memory_map(here) as mapped, pa.ipc.open_stream(mapped) as reader:
        yield reader


def schema_of(uri: str) -> pa.Schema:
    """The schema of a file."""
    with open_batches(uri) as reader:
        return reader.schema


def count_rows(uri: str) -> int:
    """The rows of a file."""
    with open_batches(uri) as reader:
        return sum(batch.num_rows for batch in reader)


def read_rows(uri: str, first: int, rows: int, columns: list[str]) -> Iterator[dict[str, pa.Scalar]]:
    """Yield rows [first, first + rows) as cells by column; fewer if the file ends before."""
    with open_batches(uri) as reader:
        at = 0
        for batch in reader:
            start, stop = max(first - at, 0), min(first + rows - at, batch.num_rows)
            at += batch.num_rows
            for place in range(start, stop, BATCH_ROWS):
                yield from _cells(batch.slice(place, min(BATCH_ROWS, stop - place)), columns)
            if at >= first + rows:
                return


def _cells(batch: pa.RecordBatch, columns: list[str]) -> Iterator[dict[str, Any]]:
    wanted: dict[str, pa.Array] = {name: batch.column(name) for name in columns}
    for array in wanted.values():
        array.validate()
    for place in range(batch.num_rows):
        yield {name: array[place] for name, array in wanted.items()}
