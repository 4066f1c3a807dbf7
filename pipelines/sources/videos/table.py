"""A table of one's own: a row a caption, with the video's id or path. Several rows of a video are its several captions."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Mapping, Sequence

from pipelines.sources.videos.base import Entry, annotation_files
from pipelines.sources.videos.config import VideoSourceConfig
from pipelines.sources.videos.splits import select, split_files, split_of, text_of
from schemas.errors import ConfigError
from storage.inputs import FileInfo

VIDEO_COLUMNS = ("video", "video_id", "path", "file")
CAPTION_COLUMNS = ("caption", "sentence", "text")


def files(config: VideoSourceConfig) -> Mapping[str, list[FileInfo]]:
    """The files that say which inputs there are."""
    found = split_files(config, {}) if config.split is None else []
    return {"annotations": annotation_files(config)} | ({"split": found} if found else {})


def entries(config: VideoSourceConfig) -> Iterator[Entry]:
    """Videos in the order of the list, else of their first rows."""
    yield from select(split_of(config, {}) if config.split is None else None, _all(config))


def _all(config: VideoSourceConfig) -> Iterator[Entry]:
    captions: dict[str, list[str]] = {}
    for file in annotation_files(config):
        for video, caption in _rows(file.path, config):
            captions.setdefault(video, []).extend([caption] if caption else [])
    if not captions:
        what = f" of split {config.split}" if config.split else ""
        raise ConfigError(f"source.annotations: {config.annotations}: no rows{what} in it")
    meta = {"split": config.split} if config.split else {}
    for video, texts in captions.items():
        yield Entry(video, tuple(texts), None, meta)


def _rows(path: str, config: VideoSourceConfig) -> Iterator[tuple[str, str]]:
    text = text_of(path)
    delimiter = "\t" if "\t" in text.partition("\n")[0] else ","
    try:
        rows = list(csv.DictReader(io.StringIO(text), delimiter=delimiter, strict=True))
    except csv.Error as error:
        raise ConfigError(f"source.annotations: {path}: not a CSV table: {error}") from None
    columns = list(rows[0]) if rows else []
    video = _column(path, columns, config.video_column, VIDEO_COLUMNS, "video_column")
    caption = _column(path, columns, config.caption_column, CAPTION_COLUMNS, "caption_column")
    if config.split is not None and "split" not in columns:
        raise ConfigError(f"source.split: {path}: has no column split; its columns: {', '.join(columns)}")
    for row in rows:
        if row[video] and (config.split is None or row["split"] == config.split):
            yield row[video].strip(), (row[caption] or "").strip()


def _column(path: str, columns: Sequence[str], asked: str | None, usual: Sequence[str], field: str) -> str:
    found = next((name for name in ([asked] if asked else usual) if name in columns), None)
    if found is None:
        wanted = asked or " or ".join(usual)
        raise ConfigError(
            f"source.{field}: {path}: no column {wanted}; its columns: {', '.join(map(str, columns))}"
        )
    return found
