"""Rows of a list of URLs, in any of its forms.

| ending | a row |
|---|---|
| .csv, .tsv | the columns of a header; any usual delimiter |
| .jsonl, .ndjson | an object per line |
| .txt | a URL, or a URL, a space or tab, and a caption |

Each may be compressed (.gz, .bz2, .xz).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import takewhile
from typing import IO, Any
from urllib.parse import unquote, urlsplit

from pipelines.sources.annotations.cells import texts
from pipelines.sources.annotations.kept import check_kept, kept_meta
from pipelines.sources.annotations.tables import (
    BadRow,
    CsvTable,
    Line,
    Row,
    column_of,
    json_rows,
    read_lines,
)
from schemas.errors import ConfigError
from schemas.records import Reason, SampleError
from storage.compressed import CompressionError, decompressed
from storage.find import FileInfo
from storage.read import open_input

URL_COLUMNS = ("url", "image_url", "img_url", "image_link", "link", "uri")
CAPTION_COLUMNS = ("caption", "captions", "text", "alt_text", "alt")
TABLES, JSON_LINES, PLAIN = (".csv", ".tsv"), (".jsonl", ".ndjson"), (".txt",)
COMPRESSED = (".gz", ".bz2", ".xz")
URL = re.compile(r"https?://\S+", re.IGNORECASE)
# The rest of a URL behind a comma in it.
MORE_URL = re.compile(r"[^\s,]*(?:[/=&?%]|\.(?:jpe?g|png|webp|gif)\b)\S*", re.IGNORECASE)
PICTURE = re.compile(r"\.(?:jpe?g|png|webp|gif|avif)$", re.IGNORECASE)
MOST_COLUMNS = 100  # of JSON lines, whose columns differ, that are remembered
WORDS = re.compile(r"[^\W\d_]{2,}")  # of a file name


@dataclass(frozen=True, slots=True)
class Listed:
    """One row that can be read."""

    url: str
    captions: tuple[str, ...]
    meta: Mapping[str, Any] = field(default_factory=dict)  # the kept columns, for `Reference.meta`


@dataclass(frozen=True, slots=True)
class Columns:
    """The columns that were asked for; None for the usual names."""

    url: str | None
    caption: str | None
    keep: tuple[str, ...] = ()  # values that KEY.json keeps


Faulty = tuple[Reason, str, str | None]  # why, with file and line, and the URL where it is known


def form_of(path: str) -> str | None:
    """The ending that decides how a list is read; None for none of them."""
    name = path.lower()
    for ending in COMPRESSED:
        name = name.removesuffix(ending)
    return next((ending for ending in (*TABLES, *JSON_LINES, *PLAIN) if name.endswith(ending)), None)


def is_compressed(path: str) -> bool:
    """Does its name say so?"""
    return path.lower().endswith(COMPRESSED)


def read_list(file: FileInfo, asked: Columns) -> Iterator[Listed | Faulty]:
    """Yield every row of a list.

    Raises ConfigError for a list without a column of URLs or captions, of no known form, or of damaged
    compression.
    """
    form = form_of(file.path)
    if form is None:
        known = ", ".join(ending[1:] for ending in (*TABLES, *JSON_LINES, *PLAIN))
        raise ConfigError(f"source.uri: {file.path}: a list of URLs ends in {known}, perhaps with .gz")
    with open_input(file.path) as stream:
        try:
            lines = read_lines(*_whole(stream, file), file.path)
            if form in PLAIN:
                if asked.keep:
                    raise ConfigError(f"source.keep: {file.path}: a text list has no columns; remove it")
                yield from _plain(lines, file.path)
            else:
                yield from _columned(lines, file.path, asked, is_csv=form in TABLES)
        except CompressionError as error:
            raise ConfigError(f"source.uri: {file.path}: {error}; download it again") from None


def _whole(stream: IO[bytes], file: FileInfo) -> tuple[IO[bytes], int | None]:
    if is_compressed(file.path):
        return decompressed(stream), None
    return stream, file.size


def _columned(lines: Iterator[Line], path: str, asked: Columns, *, is_csv: bool) -> Iterator[Listed | Faulty]:
    url_names: tuple[str, ...] = URL_COLUMNS
    if asked.url:
        url_names = (asked.url,)
    caption_names: tuple[str, ...] = CAPTION_COLUMNS
    if asked.caption:
        caption_names = (asked.caption,)
    if not is_csv:
        yield from _objects(json_rows(lines), url_names, caption_names, asked.keep, path)
        return
    table = CsvTable(
        lines,
        path,
        wanted=(*url_names, *caption_names),
        takes_rest=caption_names,
        is_row=_has_url,
        is_rest=_is_url_whole,
    )
    names = _columns(table.columns, url_names, caption_names, path)
    check_kept(asked.keep, table.columns, names, path)
    for row in table:
        if isinstance(row, BadRow):
            yield row.reason, row.named(path), None
        else:
            yield _listed(row.values, names, asked.keep, f"{path}: line {row.line}")


def _objects(
    rows: Iterable[Row | BadRow],
    url_names: Sequence[str],
    caption_names: Sequence[str],
    keep: Sequence[str],
    path: str,
) -> Iterator[Listed | Faulty]:
    """The rows of JSON lines, whose columns may differ. Raises ConfigError if none has the columns."""
    columns: tuple[str, ...] = ()  # of the row before
    url = caption = None
    first, is_complete = columns, False
    seen: dict[str, None] = {}  # columns of any row, as many as a message shows
    lacking = set(keep)
    for row in rows:
        if isinstance(row, BadRow):
            yield row.reason, row.named(path), None
            continue
        if tuple(row.values) != columns:
            columns = tuple(row.values)
            url, caption = column_of(columns, url_names), column_of(columns, caption_names)
            first = first or columns
            lacking.difference_update(columns)
            if len(seen) < MOST_COLUMNS:
                seen |= dict.fromkeys(columns[:MOST_COLUMNS])
            is_complete |= url is not None and caption is not None
        names = (url or url_names[0], caption or caption_names[0])
        yield _listed(row.values, names, keep, f"{path}: line {row.line}")
    if first and not is_complete:
        _columns(first, url_names, caption_names, path)
    if first:
        check_kept([name for name in keep if name in lacking], list(seen), (), path)


def _listed(
    values: Mapping[str, Any], names: tuple[str, str], keep: Sequence[str], where: str
) -> Listed | Faulty:
    url = values.get(names[0])
    if not isinstance(url, str) or not url.strip():
        return Reason.MALFORMED_ROW, f"{where}: no url in column {names[0]}", None
    captions = tuple(text.strip() for text in texts(values.get(names[1])) if text.strip())
    if not captions:
        return Reason.EMPTY_CAPTION, f"{where}: column {names[1]} holds no text", url.strip()
    try:
        return Listed(url.strip(), captions, kept_meta(keep, values.get))
    except SampleError as error:
        return error.reason, f"{where}: {error.detail}", url.strip()


def _has_url(cells: Sequence[str]) -> bool:
    return any(URL.fullmatch(cell.strip()) for cell in cells)


def _is_url_whole(cells: Sequence[str]) -> bool:
    """Does the URL of a row end at its delimiter? If so, no cell after it reads as more of a URL.

    Cells after the first one with a space belong to the caption.
    """
    urls = [place for place, cell in enumerate(cells) if URL.fullmatch(cell.strip())]
    if not urls:
        return True
    after = takewhile(lambda cell: cell and not re.search(r"\s", cell), cells[urls[0] + 1 :])
    return not any(MORE_URL.fullmatch(cell) for cell in after)


def _columns(
    columns: Sequence[str], url_names: Sequence[str], caption_names: Sequence[str], path: str
) -> tuple[str, str]:
    url, caption = column_of(columns, url_names), column_of(columns, caption_names)
    if url is not None and caption is not None:
        return url, caption
    if url is None:
        field, names = "url_column", url_names
    else:
        field, names = "caption_column", caption_names
    has = ", ".join(str(name) for name in columns)[:200]
    raise ConfigError(
        f"source.{field}: {path}: no column {' or '.join(names)}; it has {has or 'no header'}; name one with "
        f"source.{field}=..."
    )


def _plain(lines: Iterable[Line], path: str) -> Iterator[Listed | Faulty]:
    for line in lines:
        where = f"{path}: line {line.number}"
        if line.problem is not None:
            yield line.problem[0], f"{where}: {line.problem[1]}", None
            continue
        url, _, caption = line.text.strip().replace("\t", " ", 1).partition(" ")
        if not url:
            continue
        if not URL.fullmatch(url):
            yield Reason.MALFORMED_ROW, f"{where}: no url at its beginning: {url[:100]!r}", None
            continue
        caption = caption.strip() or caption_of(url)
        if PICTURE.search(caption) and not PICTURE.search(url.partition("?")[0]):
            detail = f"{where}: a space in the URL? Write %20: {url[:60]!r}, {caption[:60]!r}"
            yield Reason.MALFORMED_ROW, detail, None
        elif caption:
            yield Listed(url, (caption,))
        else:
            detail = f"{where}: no caption, and the file name in the URL has no words"
            yield Reason.MISSING_CAPTION, detail, url


def caption_of(url: str) -> str:
    """The words of the file name in a URL: ``.../red-fox_in%20snow-1.jpg`` gives ``red fox in snow``."""
    try:
        name = unquote(urlsplit(url).path).rstrip("/").rpartition("/")[2]
    except ValueError:
        return ""
    stem, dot, _ = name.rpartition(".")
    if dot:
        name = stem
    return " ".join(WORDS.findall(name))
