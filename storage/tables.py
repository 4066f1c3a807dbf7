"""The tables of an output folder, read row by row, and the shards that a pattern names."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import braceexpand
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from schemas.errors import WorkError
from schemas.manifest import FAILURES, FAILURES_FILE, MANIFEST, MANIFEST_FILE, SAMPLES, ShardRow
from schemas.text import human_bytes, one_line
from storage.find import glob_uris
from storage.folders import list_names, list_uris
from storage.read import exists, file_exists, open_uri
from storage.uris import join

MAX_TABLE = 1 << 30  # bytes of a table that is held whole; a million rows have about 300 MB
ROWS_AT_ONCE = 1024  # decoded before their bytes are counted
FOOTERS_AT_ONCE = 16  # each waits for its store most of the time
BROKEN = (pa.ArrowException, ValueError, KeyError, OverflowError)  # raised by pyarrow for damaged files
WHOLE = {MANIFEST_FILE: MANIFEST.names, FAILURES_FILE: FAILURES.names}  # columns that whole rows have
LATER = ("scores",)  # columns that tables of earlier versions lack
TYPES = {field.name: field.type for table in (MANIFEST, SAMPLES, FAILURES) for field in table}


class TableError(WorkError, ValueError):
    """A table that cannot be read. The message names its file, and says what to do."""


@contextmanager
def open_table(uri: str, columns: Sequence[str] = ()) -> Iterator[pq.ParquetFile]:
    """Open a table that holds these columns. Raises TableError also for what is read from it, and OSError."""
    try:
        with open_uri(uri) as stream:
            table = pq.ParquetFile(stream)
            _check_columns(table.schema_arrow, columns)
            yield table
    except TableError:
        raise
    except OSError as error:
        if error.errno is not None:  # an error of Arrow's own has no number
            raise
        raise _damaged(uri, error) from None
    except BROKEN as error:
        raise _damaged(uri, error) from None


def _check_columns(schema: pa.Schema, columns: Sequence[str]) -> None:
    """Raise ValueError for a column that is missing, comes twice, or is of another type than ours."""
    for name in columns:
        if name not in LATER and name not in schema.names:
            raise ValueError(f"it has no column {name}")
    for name, kind in TYPES.items():
        if schema.names.count(name) > 1:
            raise ValueError(f"it has several columns {name}")
        if name not in schema.names or (name in LATER and schema.field(name).type == pa.null()):
            continue
        found = schema.field(name).type
        if not any(is_kind(kind) and is_kind(found) for is_kind in KINDS):
            raise ValueError(f"its column {name} is {found}; it must be {kind}")


def _is_text(kind: pa.DataType) -> bool:
    if pa.types.is_dictionary(kind):
        kind = kind.value_type
    return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind))


KINDS = (_is_text, pa.types.is_integer, pa.types.is_floating)


def _damaged(uri: str, error: BaseException) -> TableError:
    return TableError(
        f"{uri}: a damaged table: {one_line(error, 200)}; remove it and run the command that made it again, "
        "or fetch it again"
    )


def read_manifest(output: str) -> list[ShardRow]:
    """The shards of an output folder (local or URI), in name order.

    Raises FileNotFoundError with what to do, TableError.
    """
    path = join(output, MANIFEST_FILE)
    if not exists(path):
        if file_exists(output):
            raise FileNotFoundError(f"{output}: a file; no manifest there. Give the folder that holds it")
        if not exists(output):
            raise FileNotFoundError(f"{path}: no manifest there, and no such folder; check the path")
        raise FileNotFoundError(
            f"{path}: no manifest there; run `zoetrope animate ... output={output}` (again) to finish the job"
        )
    with open_table(path, MANIFEST.names) as table:
        found = read_bounded(table, MANIFEST.names).select(MANIFEST.names).cast(MANIFEST)
        if any(column.null_count for column in found.columns):
            raise ValueError("a row of it lacks a value")
    return [ShardRow(**row) for row in found.to_pylist()]


def read_bounded(table: pq.ParquetFile, columns: Sequence[str] | None = None) -> pa.Table:
    """Read a table whole, without dictionaries. Raises ValueError if it expands beyond MAX_TABLE.

    Repeated text costs a file nothing: 8 kB can hold gigabytes.
    """
    batches: list[pa.RecordBatch] = []
    size = 0
    for batch in table.iter_batches(ROWS_AT_ONCE, columns=columns, use_threads=False):
        batches.append(_plain(batch))
        size += batches[-1].nbytes
        if size > MAX_TABLE:
            raise ValueError(f"it expands to over {human_bytes(MAX_TABLE)}")
    if not batches:
        return table.schema_arrow.empty_table()
    return pa.Table.from_batches(batches).replace_schema_metadata(table.schema_arrow.metadata)


def _plain(batch: pa.RecordBatch) -> pa.RecordBatch:
    columns = []
    for column in batch.columns:
        if pa.types.is_dictionary(column.type):
            column = column.cast(column.type.value_type)
        columns.append(column)
    return pa.RecordBatch.from_arrays(columns, batch.schema.names)


def table_files(output: str, name: str) -> list[str]:
    """The files of a table: ``samples.parquet``, or the parts ``samples/00000.parquet`` and so on, in order.

    Raises FileNotFoundError if there is neither.
    """
    single = join(output, name)
    if file_exists(single):
        return [single]
    folder = name.removesuffix(".parquet")
    parts = []
    if folder != name:
        parts = list_uris(join(output, folder), ".parquet")
    if not parts:
        raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), single)
    return parts


def has_table(output: str, name: str) -> bool:
    """Is a table there, as a file or as a folder of files? Raises OSError if the store cannot be asked."""
    try:
        return bool(table_files(output, name))
    except FileNotFoundError:
        return False


def iter_batches(
    output: str, name: str, *, columns: Sequence[str] | None = None, batch_rows: int = 8192
) -> Iterator[pa.RecordBatch]:
    """Stream the rows of a table in batches, without holding the table.

    Raises FileNotFoundError, TableError.
    """
    needed = columns
    if needed is None:
        needed = WHOLE.get(name, ["key"])
    for uri in table_files(output, name):
        with open_table(uri, needed) as table:
            yield from table.iter_batches(batch_size=batch_rows, columns=columns, use_threads=False)


def count_rows(output: str, name: str) -> list[int]:
    """Rows of each file of a table, in order. Reads the footers alone."""
    with ThreadPoolExecutor(FOOTERS_AT_ONCE) as pool:
        return list(pool.map(_rows_of_file, table_files(output, name)))


def _rows_of_file(uri: str) -> int:
    with open_table(uri) as table:
        return int(table.metadata.num_rows)


def take_rows(
    output: str,
    name: str,
    positions: np.ndarray,
    *,
    counts: Sequence[int],
    columns: Sequence[str] | None = None,
) -> list[dict[str, Any]]:
    """The rows of a table at ascending positions (int64 [N]), read from the row groups that hold them.

    `counts` is what `count_rows` gave.
    """
    rows: list[dict[str, Any]] = []
    start = 0
    for uri, count in zip(table_files(output, name), counts, strict=True):
        here = positions[(positions >= start) & (positions < start + count)] - start
        if len(here):
            rows.extend(_take_from_file(uri, here, columns))
        start += count
    return rows


def _take_from_file(uri: str, positions: np.ndarray, columns: Sequence[str] | None) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = []
    start = 0
    with open_table(uri, SAMPLES.names if columns is None else columns) as table:
        for group in range(table.num_row_groups):
            size = table.metadata.row_group(group).num_rows
            here = positions[(positions >= start) & (positions < start + size)] - start
            if len(here):
                found = table.read_row_group(group, columns=columns, use_threads=False)
                rows.extend(found.take(here).to_pylist())
            start += size
    return rows


def iter_rows(
    output: str, name: str, *, columns: Sequence[str] | None = None, batch_rows: int = 8192
) -> Iterator[dict[str, Any]]:
    """Stream the rows of one of the tables as dicts, without holding the table.

    They have all `columns`, or these.
    """
    for batch in iter_batches(output, name, columns=columns, batch_rows=batch_rows):
        yield from batch.to_pylist()


def expand_shards(pattern: str) -> list[str]:
    """Shard URIs from a folder, a glob, or a brace range (``clips/{00000..00331}.tar``), sorted.

    Raises ValueError if there are none, or if a brace range names a shard that is not there.
    """
    if "://" not in pattern and Path(pattern).is_dir():  # its name may hold any character
        uris = list_uris(pattern, ".tar")
    elif "{" in pattern:
        parts = list(braceexpand.braceexpand(pattern))
        _check_all_there([part for part in parts if "*" not in part], pattern)
        uris = []
        for part in parts:
            if "*" in part:
                uris += glob_uris(part)
            else:
                uris.append(part)
    elif pattern.endswith(".tar") and not any(c in pattern for c in "*?["):
        uris = [pattern]
    elif any(c in pattern for c in "*?["):
        uris = glob_uris(pattern)
    else:
        uris = list_uris(pattern, ".tar")
    if not uris:
        raise ValueError(
            f"shards {pattern!r}: nothing matches; give a folder, a glob such as clips/*.tar, or a brace "
            "range"
        )
    return uris


def _check_all_there(uris: Sequence[str], pattern: str) -> None:
    """Raise ValueError for a missing shard of a brace range, which would otherwise be left out silently."""
    folders: dict[str, set[str]] = {}
    missing = []
    for uri in uris:
        folder, slash, name = uri.rpartition("/")
        if folder not in folders:
            folders[folder] = set(list_names(folder + slash or "."))
        if name not in folders[folder]:
            missing.append(uri)
    if missing:
        raise ValueError(
            f"shards {pattern!r}: {missing[0]} is not there, and {len(missing)} of its {len(uris)} "
            "shards are missing; "
            "check the range"
        )
