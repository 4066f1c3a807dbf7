"""The rows of row groups, within a bounded memory, and the faults of damaged tables."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from itertools import accumulate, pairwise
from typing import NamedTuple

import pyarrow as pa
import pyarrow.parquet as pq

from pipelines.sources.parquet.files import BROKEN, is_texts
from schemas.records import Reason
from schemas.text import counted, human_bytes, one_line

BATCH_ROWS_IMAGES, BATCH_ROWS_URLS = 16, 1024
BATCH_BYTES = 64 * 1024 * 1024  # of rows that are decoded together
MAX_UNPACKED = 256 * 1024 * 1024  # bytes of a column in a row group, whatever its compression
MAX_PAGE = 1024 * 1024  # bytes per row that any column may have, whatever the limit of a picture
MAX_RATIO = 16  # of decoded to stored bytes beyond that; encoded pictures hardly compress


class TooLargeError(Exception):
    """A row group that cannot be decoded within a bounded memory."""


class Report:
    """The problem of a block; None if it had none."""

    problem: tuple[Reason, str] | None = None


@contextmanager
def reported(uri: str) -> Iterator[Report]:
    """Report what a damaged file makes Arrow raise. OSErrors of a source that is gone pass."""
    report = Report()
    try:
        yield report
    except OSError as error:
        if error.errno is not None or isinstance(error, FileNotFoundError):
            raise  # the source is gone; an error of Arrow's own has no number
        report.problem = (Reason.UNREADABLE, f"{uri}: {error}")
    except TooLargeError as error:
        report.problem = (Reason.TOO_LARGE, f"{uri}: {error}")
    except MemoryError as error:
        report.problem = (Reason.DECODER_MEMORY, f"{uri}: a row group needs more memory: {one_line(error)}")
    except BROKEN as error:
        report.problem = (Reason.UNREADABLE, f"{uri}: {one_line(error)}")


class Part(NamedTuple):
    """Wanted rows of one row group."""

    group: int  # its number
    first: int  # the row, from the start of the file
    rows: int
    skip: int  # rows of the group before it


def parts_of(footer: pq.FileMetaData, first: int, rows: int) -> Iterator[Part]:
    """The parts of rows [first, first + rows), one per row group that holds any."""
    sizes = [footer.row_group(number).num_rows for number in range(footer.num_row_groups)]
    for number, (start, stop) in enumerate(pairwise(accumulate(sizes, initial=0))):
        begin, end = max(start, first), min(stop, first + rows)
        if begin < end:
            yield Part(number, begin, end - begin, begin - start)


def rows_of(
    table: pq.ParquetFile, part: Part, columns: list[str], picture_bytes: int
) -> Iterator[dict[str, pa.Scalar]]:
    """The rows of a part as cells by column."""
    _check_sizes(table.metadata, part.group, columns, picture_bytes)
    batch_rows = _batch_rows(table, part.group, columns)
    groups, skip, rows = [part.group], part.skip, part.rows
    for batch in table.iter_batches(batch_rows, row_groups=groups, columns=columns, use_threads=False):
        for place in range(min(skip, batch.num_rows), batch.num_rows):
            if rows == 0:
                return
            rows -= 1
            yield {name: batch.column(name)[place] for name in columns}
        skip = max(0, skip - batch.num_rows)


def _batch_rows(table: pq.ParquetFile, number: int, columns: list[str]) -> int:
    """Number of rows to decode together: of pictures so few that they have about BATCH_BYTES on average."""
    kinds = [table.schema_arrow.field(name).type for name in columns]
    if all(is_texts(kind) or pa.types.is_primitive(kind) for kind in kinds):
        return BATCH_ROWS_URLS
    group = table.metadata.row_group(number)
    size = sum(column.total_uncompressed_size for column in _wanted(group, columns))
    return max(1, min(BATCH_ROWS_IMAGES, BATCH_BYTES * group.num_rows // max(1, size)))


def _wanted(group: pq.RowGroupMetaData, columns: list[str]) -> Iterator[pq.ColumnChunkMetaData]:
    """The chunks of these columns, and of the fields of theirs that are structs."""
    for place in range(group.num_columns):
        column = group.column(place)
        if column.path_in_schema.partition(".")[0] in columns:
            yield column


def _check_sizes(footer: pq.FileMetaData, number: int, columns: list[str], picture_bytes: int) -> None:
    """Raises TooLargeError for a row group of too large values, or one that unpacks too far."""
    group = footer.row_group(number)
    for column in _wanted(group, columns):
        size = column.total_uncompressed_size
        stored = max(1, column.total_compressed_size)
        if size > max(picture_bytes, MAX_PAGE) * max(1, group.num_rows):
            detail = f"{human_bytes(size)} in {counted(group.num_rows, 'row')}"
            raise TooLargeError(f"column {column.path_in_schema}: {detail}")
        if size > MAX_UNPACKED and size > MAX_RATIO * stored:
            detail = f"{human_bytes(stored)} that unpack to {human_bytes(size)}"
            raise TooLargeError(f"column {column.path_in_schema}: {detail}")
