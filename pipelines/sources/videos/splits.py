"""Split lists: one id per line, or a CSV with a column ``video_id`` and perhaps the one ``sentence`` to use for it."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from pipelines.sources.videos.base import Entry
from schemas.errors import ConfigError
from storage.read import open_input

MAX_LIST_BYTES = 256 * 1024 * 1024
ID_COLUMNS = ("video_id", "video", "vid", "id")


@dataclass(frozen=True)
class Split:
    """The videos of a split, in the list's order."""

    videos: tuple[str, ...]
    sentences: Mapping[str, tuple[str, ...]] | None = None  # video -> the list's own sentences, if it has any


def read_split(path: str) -> Split:
    """Read a list. Raises ConfigError if it is empty, not text, or a CSV without a column of ids."""
    lines = [line.strip() for line in text_of(path).splitlines() if line.strip()]
    if not lines:
        raise ConfigError(f"{path}: an empty list; give one id a line, or a CSV with a column video_id")
    if "," not in lines[0] and lines[0] not in ID_COLUMNS:
        return Split(tuple(lines))
    rows = list(csv.DictReader(lines))
    column = next((name for name in ID_COLUMNS if rows and name in rows[0]), None)
    if column is None:
        raise ConfigError(
            f"{path}: no column {' or '.join(ID_COLUMNS[:2])} in its first line {lines[0][:80]!r}"
        )
    if "sentence" not in rows[0]:
        return Split(tuple(row[column] or "" for row in rows))
    sentences: dict[str, tuple[str, ...]] = {}
    for row in rows:
        sentences[row[column]] = (*sentences.get(row[column], ()), row["sentence"] or "")
    return Split(tuple(sentences), sentences)


def select(split: Split | None, entries: Iterable[Entry]) -> Iterator[Entry]:
    """Yield all entries, or those of the split in its order. A video without an entry comes without captions."""
    if split is None:
        yield from entries
        return
    known = {entry.video: entry for entry in entries}
    for video in split.videos:
        entry = known.get(video, Entry(video, ()))
        if split.sentences is not None:
            entry = Entry(video, split.sentences[video], entry.url, entry.meta)
        yield entry


def text_of(path: str) -> str:
    """Read a small text file as UTF-8, without its byte order mark. Raises ConfigError if it is not text, or too large."""
    with open_input(path) as stream:
        data = stream.read(MAX_LIST_BYTES + 1)
    if len(data) > MAX_LIST_BYTES:
        raise ConfigError(f"{path}: over {MAX_LIST_BYTES} bytes; is it the right file?")
    try:
        return str(data.decode("utf-8-sig"))
    except UnicodeDecodeError:
        raise ConfigError(f"{path}: not UTF-8 text; is it the right file?") from None
