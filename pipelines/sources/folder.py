"""A folder of pictures with ``NAME.txt`` beside them, or with tables of captions: captions.csv, captions.jsonl.

HF imagefolder's metadata.csv and metadata.jsonl (``file_name``, ``text``) are read as well. A table speaks of the pictures
relative to its own folder, and goes before a text file.
"""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import IO, Any

from pipelines.sources.base import Source
from pipelines.sources.cells import texts
from schemas.errors import ConfigError
from schemas.keys import slug
from schemas.records import Failure, Reason, Reference, SampleError, Stage, Task
from storage.find import FileInfo, find, find_under, folder_exists, identity
from storage.read import capped_lines, open_input
from storage.uris import absolute, is_glob, join, safe_relative

PICTURES = (".jpg", ".jpeg", ".png", ".webp", ".gif", ".bmp", ".tif", ".tiff")
TABLES = ("captions.csv", "captions.jsonl", "metadata.csv", "metadata.jsonl")
FILE_COLUMNS = ("file_name", "filename", "file", "image", "path")
CAPTION_COLUMNS = ("caption", "captions", "text")
MAX_ROW_BYTES = 100_000  # of a table; under csv's own limit of a field
MAX_TEXT_BYTES = 1024 * 1024


@dataclass(slots=True)
class Table:
    """What the caption tables say."""

    captions: dict[str, list[str]] = field(default_factory=dict)  # by path
    bad: list[tuple[Reason, str]] = field(default_factory=list)  # rows that say nothing


class FolderSource(Source):
    """Pictures at any depth, in the order of their paths. Key: position and file name."""

    def fingerprint(self) -> dict[str, Any]:
        """Kind, names and sizes of pictures, texts and tables, and the limit."""
        files = self._files()
        return {"kind": "folder", "limit": self.config.limit, **identity(files)}

    def plan(self) -> Iterator[Task]:
        """Tasks hold their references: ``{rows: [{key, path, captions | null} | {key, reason, detail}]}``."""
        yield from self.tasks(self._rows())

    def read(self, task: Task) -> Iterator[Reference | Failure]:
        """References to the picture files; their text files are read here."""
        if not folder_exists(self._root):
            raise FileNotFoundError(f"{self._root}: the folder of pictures has gone")
        for row in task.payload["rows"]:
            if "reason" in row:
                yield Failure(row["key"], Stage.PLAN, Reason(row["reason"]), row["detail"])
                continue
            try:
                captions = _captions(row["path"], row["captions"])
            except SampleError as error:
                yield error.failure(row["key"])
                continue
            name = row["path"].removeprefix(self._root).lstrip("/")
            yield Reference(row["key"], captions, "folder", path=row["path"], meta={"file": name})

    @property
    def _root(self) -> str:
        """The folder that holds everything a glob can match."""
        uri = absolute(self.config.uri or "")
        if not is_glob(uri):
            return uri.rstrip("/")
        before = uri[: min(uri.index(character) for character in "*?[" if character in uri)]
        return before.rpartition("/")[0]

    def _files(self) -> list[FileInfo]:
        uri = absolute(self.config.uri or "")
        found = [*find(uri), *find(join(uri, "**"))] if is_glob(uri) else find_under(uri)
        files = {file.path: file for file in found}
        kept = [file for path, file in sorted(files.items()) if self._counts(path)]
        if not any(_is_picture(file.path) for file in kept):
            if not is_glob(uri) and not folder_exists(uri):
                raise ConfigError(f"source.uri: {uri}: no such folder; check the path")
            what = ", ".join(extension[1:] for extension in PICTURES)
            raise ConfigError(
                f"source.uri: {uri}: no pictures ({what}) in it; give the folder that holds them, or a glob"
            )
        return kept

    def _counts(self, path: str) -> bool:
        hidden = any(part.startswith((".", "__MACOSX")) for part in path.removeprefix(self._root).split("/"))
        return not hidden and (
            path.lower().endswith((*PICTURES, ".txt")) or path.rpartition("/")[2] in TABLES
        )

    def _rows(self) -> Iterator[dict[str, Any]]:
        files = self._files()
        table = Table()
        for file in files:
            if file.path.rpartition("/")[2] in TABLES:
                _read_table(file, self.config.caption_column, table)
        pictures = {file.path for file in files if _is_picture(file.path)}
        for position, path in enumerate(sorted(pictures | table.captions.keys())):
            name = path.rpartition("/")[2]
            key = f"folder-{position:08d}-{slug(name.rpartition('.')[0] or name, 60)}".rstrip("-")
            if not _is_utf8(path):
                yield {"key": key, "reason": str(Reason.NOT_UTF8), "detail": f"file name {name!a}"}
            elif path in pictures:
                yield {"key": key, "path": path, "captions": table.captions.get(path)}
            else:
                yield {
                    "key": key,
                    "reason": str(Reason.MISSING_IMAGE),
                    "detail": f"{path}: named in a table, but not there",
                }
        for position, (reason, detail) in enumerate(table.bad):
            yield {"key": f"folder-x{position:08d}", "reason": str(reason), "detail": detail}


def _is_picture(path: str) -> bool:
    return path.lower().endswith(PICTURES)


def _is_utf8(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _captions(path: str, told: list[str] | None) -> tuple[str, ...]:
    """Captions from the table, or the lines of NAME.txt."""
    beside = f"{path.rpartition('.')[0]}.txt"
    if told is None:
        try:
            with open_input(beside) as stream:
                told = stream.read(MAX_TEXT_BYTES).decode("utf-8-sig").splitlines()
        except FileNotFoundError:
            detail = f"{path}: no {beside.rpartition('/')[2]} beside it, and no row in a table"
            raise SampleError(Stage.CAPTION, Reason.MISSING_CAPTION, detail) from None
        except UnicodeDecodeError as error:
            raise SampleError(Stage.CAPTION, Reason.NOT_UTF8, f"{beside}: byte {error.start}") from None
    captions = tuple(caption.strip() for caption in told if caption.strip())
    if not captions:
        raise SampleError(Stage.CAPTION, Reason.EMPTY_CAPTION, path)
    return captions


def _read_table(file: FileInfo, caption_column: str | None, table: Table) -> None:
    """Add a table's captions by path, and its bad rows."""
    folder = file.path.rpartition("/")[0]
    with open_input(file.path) as stream:
        lines = _lines(stream, file, table)
        rows = (
            _csv_rows(lines, file.path, table)
            if file.path.endswith(".csv")
            else _json_rows(lines, file.path, table)
        )
        names: tuple[str, str] | None = None
        for row in rows:
            names = names or _columns(row, caption_column, file.path)
            name = row.get(names[0])
            relative = safe_relative(name) if isinstance(name, str) and _is_utf8(name) else None
            if relative is None:
                reason = f"{file.path}: file name {ascii(name)[:100]} is missing, or leads out of the folder"
                table.bad.append((Reason.MALFORMED_ROW, reason))
            else:
                table.captions.setdefault(join(folder, relative), []).extend(texts(row.get(names[1])))


def _lines(stream: IO[bytes], file: FileInfo, table: Table) -> Iterator[str]:
    """Text lines with their newline; one that is too long or not UTF-8 becomes a bad row."""
    for number, (line, length) in enumerate(
        capped_lines(stream, file.size, file.path, cap=MAX_ROW_BYTES), start=1
    ):
        if length > MAX_ROW_BYTES:
            table.bad.append((Reason.ROW_TOO_LONG, f"{file.path}: line {number}: {length} bytes"))
            continue
        try:
            yield line.decode("utf-8-sig" if number == 1 else "utf-8") + "\n"
        except UnicodeDecodeError as error:
            table.bad.append((Reason.NOT_UTF8, f"{file.path}: line {number}: byte {error.start}"))


def _csv_rows(lines: Iterator[str], path: str, table: Table) -> Iterator[dict[str, Any]]:
    reader = csv.DictReader(lines)
    while True:
        try:
            yield next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            table.bad.append((Reason.MALFORMED_ROW, f"{path}: line {reader.line_num}: {error}"))


def _json_rows(lines: Iterator[str], path: str, table: Table) -> Iterator[dict[str, Any]]:
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
        except (ValueError, RecursionError) as error:
            row = error
        if isinstance(row, dict):
            yield row
        else:
            detail = f"{path}: line {number}: {row if isinstance(row, Exception) else 'not an object'}"
            table.bad.append((Reason.MALFORMED_ROW, detail))


def _columns(row: dict[str, Any], caption_column: str | None, path: str) -> tuple[str, str]:
    """(file name, caption) columns, by the first row. Raises ConfigError if there are none."""
    file = next((name for name in FILE_COLUMNS if name in row), None)
    wanted = (caption_column,) if caption_column else CAPTION_COLUMNS
    caption = next((name for name in wanted if name in row), None)
    if file is None or caption is None:
        lacking = "file_name" if file is None else " or ".join(wanted)
        has = ", ".join(str(name) for name in row)
        raise ConfigError(
            f"source.uri: {path}: no column {lacking}; it has {has} (source.caption_column names another)"
        )
    return file, caption
