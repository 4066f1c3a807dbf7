"""A table of videos: one row per caption, with the video's id or path. Rows of one video are its captions."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Sequence

from pipelines.sources.videos.base import Entry
from pipelines.sources.videos.listed import ListedSource
from pipelines.sources.videos.splits import select, text_of
from schemas.errors import ConfigError
from storage.find import FileInfo, find_some

VIDEO_COLUMNS = ("video", "video_id", "path", "file")
CAPTION_COLUMNS = ("caption", "sentence", "text")


class TableSource(ListedSource):
    """A CSV or TSV. `split` is a value of its column ``split``."""

    def split_files(self) -> list[FileInfo]:
        """The file of `split_file`; a split by name has no file."""
        if self.config.split_file is None:
            return []
        return find_some(self.config.split_file, "source.split_file")

    def entries(self) -> Iterator[Entry]:
        """Yield the videos in the order of the list, else of their first rows."""
        yield from select(self.split(), self._all())

    def _all(self) -> Iterator[Entry]:
        captions: dict[str, list[str]] = {}
        for file in self.annotation_files():
            for video, caption in self._rows(file.path):
                captions.setdefault(video, []).extend([caption] if caption else [])
        if not captions:
            what = f" of split {self.config.split}" if self.config.split else ""
            raise ConfigError(f"source.annotations: {self.config.annotations}: no rows{what} in it")
        meta = {"split": self.config.split} if self.config.split else {}
        for video, texts in captions.items():
            yield Entry(video, tuple(texts), None, meta)

    def _rows(self, path: str) -> Iterator[tuple[str, str]]:
        text = text_of(path)
        delimiter = "\t" if "\t" in text.partition("\n")[0] else ","
        try:
            rows = list(csv.DictReader(io.StringIO(text), delimiter=delimiter, strict=True))
        except csv.Error as error:
            raise ConfigError(f"source.annotations: {path}: not a CSV table: {error}") from None
        columns = list(rows[0]) if rows else []
        video = _column(path, columns, self.config.video_column, VIDEO_COLUMNS, "video_column")
        caption = _column(path, columns, self.config.caption_column, CAPTION_COLUMNS, "caption_column")
        split = self.config.split
        if split is not None and "split" not in columns:
            raise ConfigError(f"source.split: {path}: has no column split; its columns: {', '.join(columns)}")
        for row in rows:
            if row[video] and (split is None or row["split"] == split):
                yield row[video].strip(), (row[caption] or "").strip()


def _column(path: str, columns: Sequence[str], asked: str | None, usual: Sequence[str], field: str) -> str:
    found = next((name for name in ([asked] if asked else usual) if name in columns), None)
    if found is None:
        wanted = asked or " or ".join(usual)
        raise ConfigError(
            f"source.{field}: {path}: no column {wanted}; its columns: {', '.join(map(str, columns))}"
        )
    return found
