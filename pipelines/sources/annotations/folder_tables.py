"""Tables of captions in a folder of pictures: captions or metadata, as .csv, .tsv or .jsonl."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from pipelines.sources.annotations.boxes import boxes_meta
from pipelines.sources.annotations.cells import texts
from pipelines.sources.annotations.names import folded, stem
from pipelines.sources.annotations.tables import BadRow, CsvTable, Row, column_of, json_rows, read_lines
from schemas.errors import ConfigError
from schemas.records import Reason, SampleError
from schemas.text import valid_text
from storage.find import FileInfo
from storage.read import open_input
from storage.uris import join, safe_relative, why_unsafe

TABLES = (
    *("captions.csv", "captions.jsonl", "metadata.csv", "metadata.jsonl"),
    *("captions.tsv", "metadata.tsv"),
)
FILE_COLUMNS = (
    *("file_name", "filename", "file", "image", "path"),
    *("image_name", "image_path", "img_path", "filepath", "file_path"),
)
CAPTION_COLUMNS = ("caption", "captions", "text")

Problem = tuple[Reason, str]


@dataclass(slots=True)
class Captions:
    """The contents of caption tables."""

    of: dict[str, list[str]] = field(default_factory=dict)  # path of a picture -> its captions
    problems: dict[str, Problem] = field(default_factory=dict)  # path -> why its row cannot be read
    others: list[Problem] = field(default_factory=list)  # rows that name no picture
    boxes: dict[str, dict[str, Any]] = field(default_factory=dict)  # path -> its boxes, as metadata


def is_table(path: str) -> bool:
    """Is this a file of captions?"""
    return path.rpartition("/")[2].lower() in TABLES


def read_tables(
    files: Iterable[FileInfo], pictures: Iterable[str], caption_column: str | None, boxes: str | None = None
) -> Captions:
    """Read the caption tables, and with `boxes` that column, whose fields follow after dots.

    Raises ConfigError for a table without the columns of files and captions, or of an unknown encoding.
    """
    found = Captions()
    index = _Pictures(pictures)
    for file in files:
        folder = file.path.rpartition("/")[0]
        for row in _rows(file, caption_column, index, folder, boxes):
            _add(row, file.path, folder, index, found)
    for path in [path for path in found.problems if path in found.of]:
        found.others.append(found.problems.pop(path))  # another row of the picture can be read
    return found


@dataclass(frozen=True, slots=True)
class _Cells:
    """The cells of a row that can be read."""

    line: int
    file: object
    caption: object
    boxes: dict[str, Any] | str = field(default_factory=dict)  # metadata, or the fault


class _Pictures:
    """Pictures by the path that a table gives them; case, Unicode form and a missing ending are forgiven."""

    def __init__(self, paths: Iterable[str]) -> None:
        self._paths = set(paths)
        self._folded: dict[str, str | None] = {}  # made at the first name that is not a path itself

    def get(self, folder: str, name: str) -> str:
        """The path of a picture that a table in `folder` names; as written if there is no such picture."""
        path = join(folder, name)
        if path in self._paths:
            return path
        if not self._folded:
            self._fill()
        return self._folded.get(folded(path)) or self._folded.get(folded(path) + "\0") or path

    def __contains__(self, path: str) -> bool:
        return path in self._paths

    def _fill(self) -> None:
        for path in self._paths:
            for key in (folded(path), folded(stem(path)) + "\0"):
                if key not in self._folded:
                    self._folded[key] = path
                else:
                    self._folded[key] = None


def _rows(
    file: FileInfo, caption_column: str | None, index: _Pictures, folder: str, boxes: str | None
) -> Iterator[_Cells | BadRow]:
    asked: tuple[str, ...] = CAPTION_COLUMNS
    if caption_column:
        asked = (caption_column,)
    with open_input(file.path) as stream:
        lines = read_lines(stream, file.size, file.path)
        if not file.path.lower().endswith((".csv", ".tsv")):
            yield from _objects(json_rows(lines), asked, file.path, boxes)
            return
        is_row = _names_one(index, folder)
        wanted = (*FILE_COLUMNS, *asked)
        table = CsvTable(lines, file.path, wanted=wanted, takes_rest=asked, is_row=is_row)
        name, caption = _columns(table.columns, asked, file.path)
        for row in table:
            if isinstance(row, BadRow):
                yield row
            else:
                yield _cells(row, name, caption, boxes)


def _objects(
    rows: Iterable[Row | BadRow], asked: Sequence[str], path: str, boxes: str | None
) -> Iterator[_Cells | BadRow]:
    """The rows of JSON lines, whose columns may differ. Raises ConfigError if none has the columns."""
    columns: tuple[str, ...] = ()  # of the row before
    name = caption = None
    first, is_complete = columns, False
    for row in rows:
        if isinstance(row, BadRow):
            yield row
            continue
        if tuple(row.values) != columns:
            columns = tuple(row.values)
            name, caption = column_of(columns, FILE_COLUMNS), column_of(columns, asked)
            first = first or columns
            is_complete |= name is not None and caption is not None
        yield _cells(row, name or FILE_COLUMNS[0], caption or asked[0], boxes)
    if first and not is_complete:
        _columns(first, asked, path)


def _cells(row: Row, name: str, caption: str, boxes: str | None) -> _Cells:
    return _Cells(row.line, row.values.get(name), row.values.get(caption), _boxes(row.values, boxes))


def _boxes(values: Mapping[str, Any], column: str | None) -> dict[str, Any] | str:
    """Return the boxes of a row, or the words of its fault."""
    try:
        if not column:
            return {}
        return boxes_meta(values, column)
    except SampleError as error:
        return error.detail


def _names_one(index: _Pictures, folder: str) -> Callable[[Sequence[str]], bool]:
    """Recognise a row that a quote has swallowed: one of its cells names a picture of the folder."""
    return lambda cells: bool(_named(cells, folder, index))


def _named(cells: Iterable[str], folder: str, index: _Pictures) -> set[str]:
    """The pictures that cells name."""
    names = (_safe(cell, folder) for cell in cells)
    paths = {index.get(folder, name) for name in names if name is not None}
    return {path for path in paths if path in index}


def _add(row: _Cells | BadRow, table: str, folder: str, index: _Pictures, found: Captions) -> None:
    if isinstance(row, BadRow):
        named = _named(row.cells, folder, index)
        problem = (row.reason, row.named(table))
        if len(named) == 1:
            found.problems.setdefault(named.pop(), problem)
        else:
            found.others.append(problem)
        return
    name = _safe(row.file, folder)
    if name is None:
        shown = ascii(row.file)[:100]
        detail = f"{table}: line {row.line}: file name {shown} {why_unsafe(row.file)}"
        found.others.append((Reason.MALFORMED_ROW, detail))
        return
    path = index.get(folder, name)
    if isinstance(row.boxes, str):
        found.problems.setdefault(path, (Reason.MALFORMED_ROW, f"{table}: line {row.line}: {row.boxes}"))
        return
    captions = texts(row.caption)
    if not captions and row.caption:
        detail = f"{table}: line {row.line}: the caption is no text: {ascii(row.caption)[:100]}"
        found.problems.setdefault(path, (Reason.MALFORMED_ROW, detail))
        return
    found.of.setdefault(path, []).extend(captions)
    if row.boxes:
        found.boxes.setdefault(path, row.boxes)


def _safe(value: object, folder: str) -> str | None:
    """A file name in UTF-8 that stays in its folder, relative to it; None for anything else."""
    if not isinstance(value, str) or valid_text(value) != value:
        return None
    name = value.strip()
    if name.startswith(f"{folder}/"):
        name = name[len(folder) + 1 :]
    return safe_relative(name.replace("\\", "/"))


def _columns(columns: Sequence[str], asked: Sequence[str], path: str) -> tuple[str, str]:
    """The columns of file name and caption. Raises ConfigError if there are none."""
    file = column_of(columns, FILE_COLUMNS)
    caption = column_of(columns, asked)
    if file is None or caption is None:
        lacking = "file_name"
        if file is not None:
            lacking = " or ".join(asked)
        has = ", ".join(str(name) for name in columns)
        raise ConfigError(
            f"source.uri: {path}: no column {lacking}; it has {has[:200]} "
            "(source.caption_column names another)"
        )
    return file, caption
