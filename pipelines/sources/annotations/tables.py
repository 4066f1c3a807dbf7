"""Tables of text as people write them: CSV with any usual delimiter, and JSON lines.

A row is read whole or not at all: a row that cannot be read becomes a `BadRow` that names its line. A quote
that is never closed spoils its own line only, not the rows after it.
"""

from __future__ import annotations

import csv
import json
import re
import unicodedata
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import IO, Any

from schemas.errors import ConfigError
from schemas.json_text import json_problem
from schemas.records import Reason
from storage.read import capped_lines

DELIMITERS = ",\t;|"
MAX_LINE_BYTES = 100_000  # below csv's own limit of a field
MAX_ROW_LINES = 100  # of one row with line breaks inside quotes
MAX_VERDICTS = 10_000  # lines of which is known whether they read as a row
_EXCEL = re.compile(rf"sep=[{DELIMITERS}]", re.IGNORECASE)
UTF16_MARKS = (b"\xff\xfe", b"\xfe\xff")


@dataclass(frozen=True, slots=True)
class Row:
    """One row: its values by column. A column that the row lacks is missing here too."""

    line: int  # of its first line, from 1
    values: dict[str, Any]


@dataclass(frozen=True, slots=True)
class BadRow:
    """A row that cannot be read whole."""

    line: int
    reason: Reason
    detail: str
    cells: tuple[str, ...] = ()  # of its first line, cut at every delimiter: one of them may name the input

    def named(self, path: str) -> str:
        """The detail with file and line."""
        return f"{path}: line {self.line}: {self.detail}"


@dataclass(frozen=True, slots=True)
class Line:
    """One line of text, or the reason why it is none."""

    number: int
    text: str
    problem: tuple[Reason, str] | None = None


class CsvTable:
    """A CSV with a header. `columns` are its names, without spaces around them.

    `wanted` are the columns that the caller looks for: the delimiter is the one by which the header has most
    of them. `takes_rest`: the last column takes the surplus of a row with too many fields, commas included.
    It must be one of these, and the row must have no quotes. `is_rest` may object, by the fields of the row.
    `is_row` recognises a row inside of quotes: its line belongs to a quote that was never closed.
    """

    def __init__(
        self,
        lines: Iterable[Line],
        path: str,
        *,
        wanted: Sequence[str],
        takes_rest: Sequence[str] = (),
        is_row: Callable[[Sequence[str]], bool] | None = None,
        is_rest: Callable[[Sequence[str]], bool] | None = None,
    ) -> None:
        self._lines = _Lines(lines)
        self._is_row, self._is_rest = is_row, is_rest
        self._verdicts: dict[int, bool] = {}  # line number -> does it read as a row
        header = self._lines.next()
        while header is not None and header.problem is None and not header.text.strip():
            header = self._lines.next()
        if header is not None and header.problem is not None:
            reason, detail = header.problem
            raise ConfigError(f"{path}: line {header.number}: {reason.value.replace('_', ' ')}: {detail}")
        text = ""
        if header is not None:
            text = header.text
        if _EXCEL.fullmatch(text.strip()):  # Excel's note of the delimiter
            text = self._next_text()
        self._delimiter = _delimiter(text, wanted)
        self.columns = [name.strip() for name in _split_header(text, self._delimiter)]
        for name in wanted:
            if self.columns.count(name) > 1:  # either could be meant
                raise ConfigError(f"{path}: two columns are called {name}; rename or remove one of them")
        self._takes_rest = bool(self.columns) and column_of(self.columns[-1:], takes_rest) is not None

    def _next_text(self) -> str:
        line = self._lines.next()
        if line is None:
            return ""
        return line.text

    def __iter__(self) -> Iterator[Row | BadRow]:
        while (line := self._lines.peek()) is not None:
            if line.problem is not None:
                self._lines.next()
                yield BadRow(line.number, *line.problem)
            elif not line.text.strip():
                self._lines.next()
            else:
                yield self._row(line)

    def _row(self, first: Line) -> Row | BadRow:
        taken: list[Line] = []
        reader = csv.reader(self._feed(taken), delimiter=self._delimiter, strict=True, skipinitialspace=True)
        try:
            fields = next(reader)
        except csv.Error as error:
            self._lines.give_back(taken[1:])
            return BadRow(first.number, Reason.MALFORMED_ROW, _cause(error), self._cells(first))
        if len(taken) > 1 and self._swallowed(taken):
            self._lines.give_back(taken[1:])
            return BadRow(first.number, Reason.MALFORMED_ROW, "a quote is not closed", self._cells(first))
        return self._fitted(first, fields)

    def _fitted(self, first: Line, fields: list[str]) -> Row | BadRow:
        """The fields by column; surplus ones are the rest of an unquoted last column, or a fault."""
        while len(fields) > len(self.columns) and not fields[-1].strip():
            fields.pop()  # trailing delimiters, as spreadsheets write them
        if len(fields) > len(self.columns):
            is_rest = self._is_rest is None or self._is_rest(fields)
            if not self._takes_rest or not is_rest or '"' in first.text:
                detail = (
                    f"{len(fields)} fields for {len(self.columns)} columns; quote what holds a {self._name}"
                )
                return BadRow(first.number, Reason.MALFORMED_ROW, detail, self._cells(first))
            fields = first.text.strip("\r\n").split(self._delimiter, len(self.columns) - 1)
        return Row(first.number, dict(zip(self.columns, fields, strict=False)))

    @property
    def _name(self) -> str:
        return {",": "comma", "\t": "tab", ";": "semicolon"}.get(self._delimiter, self._delimiter)

    def _feed(self, taken: list[Line]) -> Iterator[str]:
        """Lines for the CSV reader, which asks for as many as the row has."""
        while (
            len(taken) < MAX_ROW_LINES and (line := self._lines.peek()) is not None and line.problem is None
        ):
            self._lines.next()
            taken.append(line)
            yield line.text

    def _cells(self, line: Line) -> tuple[str, ...]:
        return tuple(cell.strip().strip('"') for cell in line.text.rstrip("\r\n").split(self._delimiter))

    def _swallowed(self, taken: list[Line]) -> bool:
        """Does a line inside of the quotes read as a row of its own?"""
        if self._is_row is None:
            return False
        return any(self._reads_as_row(line) for line in taken[1:])

    def _reads_as_row(self, line: Line) -> bool:
        """The verdict of `is_row`, asked once per line: a line may come back with every quote before it."""
        verdict = self._verdicts.get(line.number)
        if verdict is None:
            cells = self._cells(line)
            verdict = len(cells) >= len(self.columns) and self._is_row is not None and self._is_row(cells)
            if len(self._verdicts) > MAX_VERDICTS:
                self._verdicts.clear()
            self._verdicts[line.number] = verdict
        return verdict


class _Lines:
    """Lines with a way back."""

    def __init__(self, lines: Iterable[Line]) -> None:
        self._source = iter(lines)
        self._waiting: deque[Line] = deque()

    def peek(self) -> Line | None:
        if not self._waiting:
            line = next(self._source, None)
            if line is None:
                return None
            self._waiting.append(line)
        return self._waiting[0]

    def next(self) -> Line | None:
        line = self.peek()
        if line is not None:
            self._waiting.popleft()
        return line

    def give_back(self, lines: Sequence[Line]) -> None:
        self._waiting.extendleft(reversed(lines))


def read_lines(stream: IO[bytes], size: int | None, path: str) -> Iterator[Line]:
    """The lines of the next `size` bytes, or up to the end for None, with their newline.

    Raises ConfigError for UTF-16 and for binary files, OSError if the file ends early.
    """
    for number, (line, length) in enumerate(capped_lines(stream, size, path, cap=MAX_LINE_BYTES), start=1):
        if number == 1:
            _check_encoding(line, path)
        if length > MAX_LINE_BYTES:
            detail = f"{length} bytes; a row may have {MAX_LINE_BYTES}"
            yield Line(number, "", (Reason.ROW_TOO_LONG, detail))
            continue
        try:
            yield Line(number, line.decode("utf-8-sig" if number == 1 else "utf-8") + "\n")
        except UnicodeDecodeError as error:
            shown = line[error.start : error.start + 8]
            yield Line(number, "", (Reason.NOT_UTF8, f"byte {error.start}: {shown!r}"))


def lines_of(text: str) -> Iterator[Line]:
    """The lines of a text."""
    for number, line in enumerate(text.split("\n"), start=1):
        yield Line(number, line + "\n")


def json_rows(lines: Iterable[Line]) -> Iterator[Row | BadRow]:
    """The objects of JSON lines. NaN counts as null."""
    for line in lines:
        if line.problem is not None:
            yield BadRow(line.number, *line.problem)
            continue
        if not line.text.strip():
            continue
        try:
            value = json.loads(line.text, parse_constant=lambda _: None)
        except (ValueError, RecursionError) as error:
            yield BadRow(line.number, Reason.MALFORMED_ROW, json_problem(error))
            continue
        if isinstance(value, dict):
            yield Row(line.number, value)
        else:
            yield BadRow(line.number, Reason.MALFORMED_ROW, "not an object")


def column_of(columns: Iterable[str], names: Sequence[str]) -> str | None:
    """The column with the first of these names that there is; case does not count unless it decides."""
    exact = list(columns)
    folded: dict[str, str] = {}
    for column in exact:
        folded.setdefault(_folded(column), column)
    for name in names:
        if name in exact:
            return name
        if _folded(name) in folded:
            return folded[_folded(name)]
    return None


def _folded(name: str) -> str:
    return unicodedata.normalize("NFC", name.strip()).casefold()


def _delimiter(header: str, wanted: Sequence[str]) -> str:
    names = {_folded(name) for name in wanted}

    def hits(delimiter: str) -> tuple[int, int]:
        columns = [_folded(name) for name in _split_header(header, delimiter)]
        return sum(column in names for column in columns), len(columns)

    return max(DELIMITERS, key=hits)


def _split_header(header: str, delimiter: str) -> list[str]:
    try:
        return next(csv.reader([header], delimiter=delimiter, skipinitialspace=True), [])
    except csv.Error:
        return header.strip().split(delimiter)


def _check_encoding(line: bytes, path: str) -> None:
    if line.startswith(UTF16_MARKS) or (line and line.count(b"\0") * 3 > len(line)):
        raise ConfigError(f"{path}: its text is UTF-16; save it as UTF-8")
    if b"\r" in line.rstrip(b"\r"):
        raise ConfigError(f"{path}: its lines end in a carriage return alone; save it with line feeds")


def _cause(error: csv.Error) -> str:
    text = str(error)
    if "new-line character" in text:
        return "a carriage return alone ends a row in it; save the file with line feeds"
    if "unexpected end" in text:
        return "a quote is not closed"
    if "expected after" in text:
        return f"text after a closing quote ({text}); double the quotes inside of a quoted field"
    return text
