"""Schemas and footers of Parquet tables: the columns that are read, and the number of rows."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Self

import pyarrow as pa
import pyarrow.parquet as pq

from pipelines.sources.annotations.cells import NO_VALUE
from pipelines.sources.annotations.kept import check_kept
from pipelines.sources.annotations.tables import column_of
from pipelines.sources.config import SourceConfig
from pipelines.sources.growth.known import digest
from schemas.errors import ConfigError
from schemas.text import one_line
from storage.find import FileInfo
from storage.read import open_input

CAPTION_COLUMNS = ("caption", "captions", "text")
MOST_ROWS_A_BYTE = 1000  # of a file; a footer that claims more would plan tasks for ever
# pyarrow raises these for damaged files.
BROKEN = (pa.ArrowException, ValueError, KeyError, OverflowError, MemoryError)


@dataclass(frozen=True)
class Columns:
    """Names of the columns that are read."""

    image: str | None
    url: str | None
    caption: str
    boxes: str | None = None  # with the fields of a struct after dots
    keep: tuple[str, ...] = ()  # of values that KEY.json keeps

    @property
    def names(self) -> list[str]:
        """Those that there are, each once."""
        boxes = None
        if self.boxes:
            boxes = self.boxes.partition(".")[0]
        named = (self.image, self.url, self.caption, boxes, *self.keep)
        return list(dict.fromkeys(name for name in named if name))

    def as_json(self) -> dict[str, Any]:
        """Plain values for a task and a fingerprint. `keep` is left out where nothing is kept."""
        values = {"image": self.image, "url": self.url, "caption": self.caption, "boxes": self.boxes}
        if self.keep:
            return {**values, "keep": list(self.keep)}
        return values

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> Self:
        """The columns of a task."""
        return cls(**{**values, "keep": tuple(values.get("keep", ()))})


@contextmanager
def open_footer(file: FileInfo) -> Iterator[pq.FileMetaData]:
    """The footer of a table. Raises ConfigError that names the file if it is damaged or absurd."""
    with open_input(file.path) as stream:
        try:
            footer = pq.ParquetFile(stream).metadata
            groups = [footer.row_group(number).num_rows for number in range(footer.num_row_groups)]
            if min([0, *groups]) < 0 or sum(groups) != footer.num_rows:
                raise ValueError(f"its footer says {footer.num_rows} rows, its row groups {sum(groups)}")
            if footer.num_rows > MOST_ROWS_A_BYTE * file.size:
                raise ValueError(f"its footer says {footer.num_rows} rows in {file.size} bytes")
            yield footer
        except ConfigError:
            raise
        except OSError as error:
            if error.errno is not None or isinstance(error, FileNotFoundError):
                raise  # the file cannot be read; an error of Arrow's own has no number
            raise _damaged(file.path, error) from None
        except BROKEN as error:
            raise _damaged(file.path, error) from None


def groups_digest(footer: pq.FileMetaData, rows: int) -> str | None:
    """Identify the row groups of the first rows, by the sizes and the extreme values of their columns.

    None if no row group ends there.
    """
    found: list[Any] = []
    seen = 0
    for number in range(footer.num_row_groups):
        if seen >= rows:
            break
        group = footer.row_group(number)
        seen += group.num_rows
        found.append([group.num_rows, *(_column_facts(group.column(i)) for i in range(group.num_columns))])
    if seen != rows:
        return None
    return digest(found)


def _column_facts(column: pq.ColumnChunkMetaData) -> list[Any]:
    facts = [column.path_in_schema, column.num_values, column.total_compressed_size]
    statistics = column.statistics
    if statistics is not None and statistics.has_min_max:
        facts += [*(repr(value)[:200] for value in _extremes(statistics)), statistics.null_count]
    return facts


def _extremes(statistics: pq.Statistics) -> tuple[Any, Any]:
    """The least and the largest value of a column, as they are stored if Python cannot hold them.

    Such are dates after the year 9999, texts that are not UTF-8 and, without pandas, times in nanoseconds.
    """
    try:
        return statistics.min, statistics.max
    except (ValueError, *NO_VALUE):
        return statistics.min_raw, statistics.max_raw


def _damaged(path: str, error: BaseException) -> ConfigError:
    return ConfigError(
        f"source.uri: {path}: not a readable parquet file: {one_line(error, 200)}; fetch or write it again"
    )


def choose_columns(schema: pa.Schema, config: SourceConfig, uri: str) -> Columns:
    """The configured or usual columns. Raises ConfigError if one is missing or not of its type."""

    def named(name: str | None, field: str) -> str | None:
        if name is not None and name not in schema.names:
            raise ConfigError(
                f"source.{field}: {uri} has no column {name!r}; it has {', '.join(schema.names)}"
            )
        return name

    def usual(*names: str) -> str | None:
        return column_of(schema.names, names)  # LAION's columns are URL and TEXT

    image, url = named(config.image_column, "image_column"), named(config.url_column, "url_column")
    if image is None and url is None:
        image, url = usual("image"), usual("url")
    caption = named(config.caption_column, "caption_column") or usual(*CAPTION_COLUMNS)
    if image is None and url is None:
        raise ConfigError(
            f"source.image_column: {uri} has no column 'image' or 'url'; it has {', '.join(schema.names)}; "
            "name one with source.image_column=... or source.url_column=..."
        )
    if caption is None:
        wanted = ", ".join(CAPTION_COLUMNS)
        raise ConfigError(
            f"source.caption_column: {uri} has none of {wanted}; it has {', '.join(schema.names)}; "
            "name one with source.caption_column=..."
        )
    if config.boxes:
        named(config.boxes.partition(".")[0], "boxes")
    columns = Columns(image, url, caption, config.boxes, config.keep)
    check_kept(columns.keep, schema.names, (image, url, caption), uri)
    check_types(schema, columns, uri)
    return columns


def check_types(schema: pa.Schema, columns: Columns, uri: str) -> None:
    """Raises ConfigError for a column that is not of its type, or comes twice."""
    for field, name, fits, wanted in (
        ("image_column", columns.image, _is_image, "bytes, or a struct with a field 'bytes'"),
        ("url_column", columns.url, _is_address, "text"),
        ("caption_column", columns.caption, _is_captions, "text or a list of texts"),
    ):
        if not name:
            continue
        if schema.names.count(name) > 1:
            raise ConfigError(
                f"source.{field}: {uri}: it has {schema.names.count(name)} columns named {name!r}"
            )
        kind = schema.field(name).type
        if not (pa.types.is_null(kind) or fits(kind)):  # null: the file has no value in this column
            raise ConfigError(
                f"source.{field}: {uri}: column {name!r} is {schema.field(name).type}; it must be {wanted}"
            )


def _is_binary(kind: pa.DataType) -> bool:
    kind = _plain(kind)
    is_sized = pa.types.is_binary(kind) or pa.types.is_large_binary(kind) or pa.types.is_binary_view(kind)
    return bool(is_sized or pa.types.is_fixed_size_binary(kind))


def _is_image(kind: pa.DataType) -> bool:
    if pa.types.is_struct(kind):
        return kind.get_field_index("bytes") >= 0 and _is_binary(kind.field("bytes").type)
    return _is_binary(kind)


def _is_text(kind: pa.DataType) -> bool:
    kind = _plain(kind)
    return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind))


def _is_address(kind: pa.DataType) -> bool:
    return _is_text(kind) or _is_binary(kind)


def _plain(kind: pa.DataType) -> pa.DataType:
    """The type of the values of a dictionary; any other type itself."""
    if pa.types.is_dictionary(kind):
        return kind.value_type
    return kind


def is_texts(kind: pa.DataType) -> bool:
    """Is it a type of text, or of lists of texts?"""
    return _is_text(kind) or _is_list(kind, _is_text)


def _is_captions(kind: pa.DataType) -> bool:
    """Is it text, UTF-8 in bytes as Hive and TensorFlow write it, or lists of either?"""
    return is_texts(kind) or _is_binary(kind) or _is_list(kind, _is_binary)


def _is_list(kind: pa.DataType, fits: Callable[[pa.DataType], bool]) -> bool:
    forms = (
        *(pa.types.is_list, pa.types.is_large_list, pa.types.is_fixed_size_list),
        *(pa.types.is_list_view, pa.types.is_large_list_view),
    )
    if not any(is_form(kind) for is_form in forms):
        return False
    return fits(kind.value_type) or bool(pa.types.is_null(kind.value_type))
