"""Parquet tables with a column of pictures, or of URLs, and a column of captions."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from itertools import accumulate
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from pipelines.sources.annotations.cells import texts, url_identity
from pipelines.sources.base import Source
from pipelines.sources.config import SourceConfig
from schemas.errors import ConfigError
from schemas.records import Failure, Reason, Reference, SampleError, Stage, Task
from schemas.text import valid_text
from storage.find import FileInfo, find_some, identity
from storage.read import MAX_PICTURE_BYTES, open_input

BATCH_ROWS_IMAGES, BATCH_ROWS_URLS = 16, 1024
BUFFER = 1024 * 1024
CAPTION_COLUMNS = ("caption", "captions", "text")


@dataclass(frozen=True)
class Columns:
    """Names of the columns that are read."""

    image: str | None
    url: str | None
    caption: str

    @property
    def names(self) -> list[str]:
        """Those that there are."""
        return [name for name in (self.image, self.url, self.caption) if name]


class ParquetSource(Source):
    """Rows of a glob of tables, counted over all of them. Key: the row's number.

    A task is planned from footers alone and reads only the row groups and columns it needs, a few rows at a time. A row
    group is decoded from its beginning, so groups of far more rows than a shard has cost repeated work.
    """

    def fingerprint(self) -> dict[str, Any]:
        """Kind, columns, names and sizes of the tables, and the limit."""
        files = self._files()
        columns = asdict(self._columns(files[0]))
        return {"kind": "parquet", "limit": self.config.limit, **columns, **identity(files)}

    @property
    def is_remote(self) -> bool:
        """Where the pictures are URLs."""
        return self._columns(self._files()[0]).image is None

    def plan(self) -> Iterator[Task]:
        """A task is ``{pieces: [[uri, first row, rows], ...], row, columns}``; pieces may cross from file to file."""
        files = self._files()
        columns = self._columns(files[0])
        index = row = 0
        for pieces in _packed(self._row_counts(files, columns), self.shard_samples, self.config.limit):
            samples = sum(rows for _, _, rows in pieces)
            yield Task(index, samples, {"pieces": pieces, "row": row, "columns": asdict(columns)})
            index, row = index + 1, row + samples

    def read(self, task: Task) -> Iterator[Reference | Failure]:
        """One reference or failure a row."""
        columns, number = Columns(**task.payload["columns"]), task.payload["row"]
        for uri, first, rows in task.payload["pieces"]:
            done = 0
            try:
                for cells in _rows(uri, first, rows, columns.names):
                    yield _reference(f"parquet-{number + done:09d}", cells, columns, uri, first + done)
                    done += 1
                problem = f"{uri}: has fewer rows than when planned"
            except (pa.ArrowException, OSError) as error:
                if isinstance(error, OSError) and (
                    error.errno is not None or isinstance(error, FileNotFoundError)
                ):
                    raise  # the source is gone; what Arrow itself cannot decode has no errno
                problem = f"{uri}: {error}"
            for missing in range(done, rows):
                yield Failure(f"parquet-{number + missing:09d}", Stage.READ, Reason.UNREADABLE, problem)
            number += rows

    def _files(self) -> list[FileInfo]:
        return find_some(self.config.uri or "", "source.uri")

    def _columns(self, file: FileInfo) -> Columns:
        return choose_columns(_footer(file.path).schema.to_arrow_schema(), self.config, file.path)

    def _row_counts(self, files: list[FileInfo], columns: Columns) -> Iterator[tuple[str, int]]:
        for file in files:
            footer = _footer(file.path)
            missing = [name for name in columns.names if name not in footer.schema.to_arrow_schema().names]
            if missing:
                raise ConfigError(
                    f"source.uri: {file.path}: no column {missing[0]!r}, which the first file has"
                )
            yield file.path, footer.num_rows


def choose_columns(schema: pa.Schema, config: SourceConfig, uri: str) -> Columns:
    """The configured columns, or those of usual names. Raises ConfigError for a column that is missing or not of its type."""

    def named(name: str | None, field: str) -> str | None:
        if name is not None and name not in schema.names:
            raise ConfigError(
                f"source.{field}: {uri} has no column {name!r}; it has {', '.join(schema.names)}"
            )
        return name

    def usual(*names: str) -> str | None:
        return next((name for name in names if name in schema.names), None)

    image, url = named(config.image_column, "image_column"), named(config.url_column, "url_column")
    if image is None and url is None:
        image, url = usual("image"), usual("url")
    caption = named(config.caption_column, "caption_column") or usual(*CAPTION_COLUMNS)
    if image is None and url is None:
        raise ConfigError(
            f"source.image_column: {uri} has no column 'image' or 'url'; it has {', '.join(schema.names)}"
        )
    if caption is None:
        wanted = ", ".join(CAPTION_COLUMNS)
        raise ConfigError(
            f"source.caption_column: {uri} has none of {wanted}; it has {', '.join(schema.names)}"
        )
    _check_types(schema, Columns(image, url, caption), uri)
    return Columns(image, url, caption)


def _check_types(schema: pa.Schema, columns: Columns, uri: str) -> None:
    for field, name, fits, wanted in (
        ("image_column", columns.image, _is_image, "bytes, or a struct with a field 'bytes'"),
        ("url_column", columns.url, _is_text, "text"),
        ("caption_column", columns.caption, _is_texts, "text or a list of texts"),
    ):
        if name and not fits(schema.field(name).type):
            raise ConfigError(
                f"source.{field}: {uri}: column {name!r} is {schema.field(name).type}; it must be {wanted}"
            )


def _is_binary(kind: pa.DataType) -> bool:
    return bool(pa.types.is_binary(kind) or pa.types.is_large_binary(kind) or pa.types.is_binary_view(kind))


def _is_image(kind: pa.DataType) -> bool:
    if pa.types.is_struct(kind):
        return kind.get_field_index("bytes") >= 0 and _is_binary(kind.field("bytes").type)
    return _is_binary(kind)


def _is_text(kind: pa.DataType) -> bool:
    kind = kind.value_type if pa.types.is_dictionary(kind) else kind
    return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind))


def _is_texts(kind: pa.DataType) -> bool:
    return (
        _is_text(kind.value_type)
        if pa.types.is_list(kind) or pa.types.is_large_list(kind)
        else _is_text(kind)
    )


def _footer(uri: str) -> pq.FileMetaData:
    with open_input(uri) as stream:
        try:
            return pq.ParquetFile(stream).metadata
        except pa.ArrowInvalid as error:
            raise ConfigError(
                f"source.uri: {uri}: not a readable parquet file: {error}; fetch or write it again"
            ) from None


def _packed(files: Iterator[tuple[str, int]], size: int, limit: int | None) -> Iterator[list[list[Any]]]:
    """Pieces ``[uri, first row, rows]``, packed into lists of `size` rows, up to `limit` rows in all."""
    left = float("inf") if limit is None else limit
    pieces: list[list[Any]] = []
    room = size
    for uri, rows in files:
        first = 0
        while first < rows and left > 0:
            take = int(min(room, rows - first, left))
            pieces.append([uri, first, take])
            first, room, left = first + take, room - take, left - take
            if not room:
                yield pieces
                pieces, room = [], size
        if left <= 0:
            break
    if pieces:
        yield pieces


def _rows(uri: str, first: int, rows: int, columns: list[str]) -> Iterator[dict[str, pa.Scalar]]:
    """Rows [first, first + rows) of one file as cells by column, from the row groups that hold them."""
    with open_input(uri) as stream:
        table = pq.ParquetFile(stream, buffer_size=BUFFER, pre_buffer=False)
        sizes = [table.metadata.row_group(i).num_rows for i in range(table.metadata.num_row_groups)]
        starts = list(accumulate(sizes, initial=0))
        groups = [i for i, size in enumerate(sizes) if starts[i] < first + rows and starts[i] + size > first]
        if not groups:
            return
        skip = first - starts[groups[0]]
        texts_only = all(_is_texts(table.schema_arrow.field(name).type) for name in columns)
        batch_rows = BATCH_ROWS_URLS if texts_only else BATCH_ROWS_IMAGES
        for batch in table.iter_batches(batch_rows, row_groups=groups, columns=columns, use_threads=False):
            for place in range(min(skip, batch.num_rows), batch.num_rows):
                if rows == 0:
                    return
                rows -= 1
                yield {name: batch.column(name)[place] for name in columns}
            skip = max(0, skip - batch.num_rows)


def _reference(
    key: str, cells: dict[str, pa.Scalar], columns: Columns, uri: str, row: int
) -> Reference | Failure:
    meta: dict[str, Any] = {"file": uri.rpartition("/")[2], "row": row}
    url: str | None = None
    try:
        url = _text(cells[columns.url], columns.url) if columns.url else None
        captions = _captions(cells[columns.caption], columns.caption)
        image = _image(cells[columns.image], columns.image) if columns.image else None
        if image is None and not url:
            raise SampleError(Stage.READ, Reason.MISSING_IMAGE, f"column {columns.url} is empty")
    except SampleError as error:
        return error.failure(key, url)
    return Reference(
        key, captions, "parquet", image=image, url=url, image_id=url_identity(url) if url else None, meta=meta
    )


def _text(cell: pa.Scalar, name: str) -> str | None:
    try:
        value = cell.as_py()
    except UnicodeDecodeError as error:
        raise SampleError(Stage.READ, Reason.NOT_UTF8, f"column {name}: byte {error.start}") from None
    return valid_text(value).strip() or None if value is not None else None


def _captions(cell: pa.Scalar, name: str) -> tuple[str, ...]:
    try:
        captions = texts(cell.as_py())
    except UnicodeDecodeError as error:
        raise SampleError(Stage.CAPTION, Reason.NOT_UTF8, f"column {name}: byte {error.start}") from None
    if not captions:
        raise SampleError(Stage.CAPTION, Reason.MISSING_CAPTION, f"column {name} is empty")
    captions = [caption for caption in captions if caption.strip()]
    if not captions:
        raise SampleError(Stage.CAPTION, Reason.EMPTY_CAPTION, f"column {name} is blank")
    return tuple(captions)


def _image(cell: pa.Scalar, name: str) -> bytes:
    value = cell.as_py()
    data = value.get("bytes") if isinstance(value, dict) else value
    if data is None:
        where = (
            f"; it names the file {value['path']}" if isinstance(value, dict) and value.get("path") else ""
        )
        raise SampleError(Stage.READ, Reason.MISSING_IMAGE, f"column {name} holds no bytes{where}")
    if not data:
        raise SampleError(Stage.READ, Reason.EMPTY_BODY, f"column {name}: no bytes")
    if len(data) > MAX_PICTURE_BYTES:
        raise SampleError(Stage.READ, Reason.TOO_LARGE, f"column {name}: {len(data)} bytes")
    return bytes(data)
