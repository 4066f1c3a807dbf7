"""Split lists: one id per line, or a CSV with a column ``video_id`` and perhaps ``sentence``."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace

from pipelines.sources.annotations.tables import BadRow, CsvTable, column_of, lines_of
from pipelines.sources.videos.base import BadEntry, Entry
from pipelines.sources.videos.files import video_key
from schemas.errors import ConfigError
from storage.read import open_input

MAX_LIST_BYTES = 256 * 1024 * 1024
ID_COLUMNS = ("video_id", "video", "vid", "id")
SENTENCE_COLUMNS = ("sentence",)


@dataclass(frozen=True)
class Split:
    """The videos of a split, in the list's order."""

    videos: tuple[str, ...]
    sentences: Mapping[str, tuple[str, ...]] | None = None  # video -> the list's own sentences, if it has any


def read_split(path: str) -> Split:
    """Read a list. Raises ConfigError if it is empty, not text, or a CSV without ids."""
    lines = [line.strip() for line in _text_of(path).splitlines() if line.strip()]
    if not lines:
        raise _empty(path)
    # No comma, and no heading that is known: a plain list of ids.
    if "," not in lines[0] and column_of([lines[0]], ID_COLUMNS) is None:
        return Split(tuple(lines))
    table = CsvTable(
        lines_of("\n".join(lines)),
        path,
        wanted=(*ID_COLUMNS, *SENTENCE_COLUMNS),
        takes_rest=SENTENCE_COLUMNS,
    )
    column = column_of(table.columns, ID_COLUMNS)
    sentence = column_of(table.columns, SENTENCE_COLUMNS)
    if column is None:
        raise ConfigError(
            f"{path}: no column {' or '.join(ID_COLUMNS[:2])} in its first line {lines[0][:80]!r}"
        )
    sentences: dict[str, list[str]] = {}
    videos: list[str] = []
    for row in table:
        if isinstance(row, BadRow):
            raise ConfigError(row.named(path))
        video = row.values.get(column, "").strip()
        if not video:
            raise ConfigError(f"{path}: line {row.line}: no video in column {column}")
        videos.append(video)
        if sentence is not None:
            sentences.setdefault(video, []).append(row.values.get(sentence, ""))
    if not videos:
        raise _empty(path)
    if sentence is None:
        return Split(tuple(videos))
    return Split(tuple(sentences), {video: tuple(texts) for video, texts in sentences.items()})


def select(split: Split | None, entries: Iterable[Entry | BadEntry]) -> Iterator[Entry | BadEntry]:
    """Yield all entries, or those of the split in its order. A video without an entry comes without captions.

    An id with and without the ending of a video file is the same id. Bad entries belong to no split.
    """
    if split is None:
        yield from entries
        return
    known: dict[str, Entry] = {}
    similar: dict[str, Entry] = {}
    for entry in entries:
        if isinstance(entry, Entry):
            known[entry.video] = entry
            similar.setdefault(video_key(entry.video), entry)
    for video in split.videos:
        entry = known.get(video) or similar.get(video_key(video)) or Entry(video, ())
        if split.sentences is not None:
            entry = replace(entry, video=video, captions=split.sentences[video], problem=None, names=())
        yield entry


def _empty(path: str) -> ConfigError:
    return ConfigError(f"{path}: an empty list; give one id per line, or a CSV with a column video_id")


def _text_of(path: str) -> str:
    """Read a small text file as UTF-8, without its byte order mark. Raises ConfigError if it is not text."""
    with open_input(path) as stream:
        data = stream.read(MAX_LIST_BYTES + 1)
    if len(data) > MAX_LIST_BYTES:
        raise ConfigError(f"{path}: over {MAX_LIST_BYTES} bytes; is it the right file?")
    try:
        return str(data.decode("utf-8-sig"))
    except UnicodeDecodeError:
        raise ConfigError(f"{path}: not UTF-8 text; is it the right file?") from None
