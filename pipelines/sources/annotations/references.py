"""The input of one row of a table with typed columns: a picture or its URL, captions, and boxes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

import pyarrow as pa

from pipelines.sources.annotations.boxes import boxes_meta
from pipelines.sources.annotations.cells import NO_VALUE, decoded, texts, url_identity
from pipelines.sources.annotations.kept import kept_meta
from schemas.records import Failure, Reason, Reference, SampleError, Stage
from schemas.text import valid_text


class Cell(Protocol):
    """A value of a table, such as an Arrow scalar. It may fail when it is asked for."""

    def as_py(self) -> Any:
        """The value in Python. Raises UnicodeDecodeError for text that is not UTF-8."""
        ...


class ColumnNames(Protocol):
    """Names of the columns that are read; None for those that there are not."""

    @property
    def image(self) -> str | None:
        """Of encoded pictures, bytes or {bytes, path}."""
        ...

    @property
    def url(self) -> str | None:
        """Of addresses to fetch."""
        ...

    @property
    def caption(self) -> str:
        """Of captions, text or a list."""
        ...

    @property
    def boxes(self) -> str | None:
        """Of boxes, with the fields of a struct after dots."""
        ...

    @property
    def keep(self) -> Sequence[str]:
        """Of values that KEY.json keeps."""
        ...


def reference(
    key: str,
    source: str,
    cells: Mapping[str, Cell],
    columns: ColumnNames,
    meta: dict[str, Any],
    picture_bytes: int,
    path: str | None = None,
) -> Reference | Failure:
    """The input of one row. `meta` says where the row is; boxes and kept columns are added to it.

    `path` is the picture's file if the row names one.
    """
    url: str | None = None
    image: bytes | None = None
    try:
        if columns.url:
            url = _text(cells[columns.url], columns.url)
        captions = _captions(cells[columns.caption], columns.caption)
        if columns.image:
            image = _image(cells[columns.image], columns.image, picture_bytes)
        if image is None and path is None and not url:
            raise SampleError(Stage.READ, Reason.MISSING_IMAGE, f"column {columns.url} is empty")
        if columns.boxes:
            name = columns.boxes.partition(".")[0]
            meta |= boxes_meta({name: _value(cells[name], name)}, columns.boxes)
        meta |= kept_meta(columns.keep, lambda name: _in_microseconds(cells[name]).as_py())
    except SampleError as error:
        return error.failure(key, url)
    identity = None
    if url:
        identity = url_identity(url)
    return Reference(key, captions, source, image=image, path=path, url=url, image_id=identity, meta=meta)


def _value(cell: Cell, name: str) -> Any:
    """The value of a cell. Raises SampleError for one that Python cannot hold: it costs its row alone."""
    try:
        return cell.as_py()
    except UnicodeDecodeError as error:
        raise SampleError(Stage.READ, Reason.NOT_UTF8, f"column {name}: byte {error.start}") from None
    except NO_VALUE as error:
        raise SampleError(Stage.READ, Reason.MALFORMED_ROW, f"column {name}: {error}") from None


def _in_microseconds(cell: Cell) -> Cell:
    """The cell, or a time or duration in nanoseconds cut to microseconds.

    Python has no finer ones. pyarrow would give those of pandas where that is installed, and fail elsewhere.
    """
    if not isinstance(cell, pa.TimestampScalar | pa.DurationScalar) or cell.type.unit != "ns":
        return cell
    kind = pa.duration("us")
    if isinstance(cell, pa.TimestampScalar):
        kind = pa.timestamp("us", cell.type.tz)
    cut: Cell = cell.cast(kind, safe=False)
    return cut


def _text(cell: Cell, name: str) -> str | None:
    try:
        value = decoded(cell.as_py())
    except UnicodeDecodeError as error:
        raise SampleError(Stage.READ, Reason.NOT_UTF8, f"column {name}: byte {error.start}") from None
    if value is None:
        return None
    return valid_text(value).strip() or None


def _captions(cell: Cell, name: str) -> tuple[str, ...]:
    try:
        captions = texts(decoded(cell.as_py()))
    except UnicodeDecodeError as error:
        raise SampleError(Stage.CAPTION, Reason.NOT_UTF8, f"column {name}: byte {error.start}") from None
    if not captions:
        raise SampleError(Stage.CAPTION, Reason.MISSING_CAPTION, f"column {name} is empty")
    captions = [caption for caption in captions if caption.strip()]
    if not captions:
        raise SampleError(Stage.CAPTION, Reason.EMPTY_CAPTION, f"column {name} is blank")
    return tuple(captions)


def _image(cell: Cell, name: str, picture_bytes: int) -> bytes:
    value = _value(cell, name)
    if isinstance(value, dict):
        data = value.get("bytes")
    else:
        data = value
    if data is None:
        where = ""
        if isinstance(value, dict) and value.get("path"):
            where = f"; it names the file {value['path']}"
        raise SampleError(Stage.READ, Reason.MISSING_IMAGE, f"column {name} holds no bytes{where}")
    if not data:
        raise SampleError(Stage.READ, Reason.EMPTY_BODY, f"column {name}: no bytes")
    if len(data) > picture_bytes:
        raise SampleError(Stage.READ, Reason.TOO_LARGE, f"column {name}: {len(data)} bytes")
    return bytes(data)
