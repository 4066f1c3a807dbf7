"""Video sources with one published annotation file per split: DiDeMo, ActivityNet Captions, LSMDC, SSv2."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, ClassVar

from pipelines.sources.annotations.json_entries import json_entries
from pipelines.sources.videos.base import BadEntry, Entry, VideoSource, unknown_split
from schemas.errors import ConfigError
from schemas.records import Reason
from storage.find import FileInfo, find_some
from storage.folders import folder_exists
from storage.read import file_exists
from storage.uris import absolute


class SplitFilesSource(VideoSource):
    """A source whose split is a file of a published name in a folder.

    `annotations` is that folder, or a file in it. Without a split, it is the file itself, or a glob
    of several.
    """

    FILES: ClassVar[Mapping[str, tuple[str, ...]]]  # split -> the names under which its file is published

    @property
    def plans_apart(self) -> bool:
        """Always: most of these files are JSON."""
        return True

    def annotation_files(self) -> list[FileInfo]:
        """The file of the split, else those of the config.

        Raises ConfigError that names the files that were looked for.
        """
        given, split = self.config.annotations or "", self.config.split
        if split is None:
            return find_some(given, "source.annotations")
        if split not in self.FILES:
            raise unknown_split(split, list(self.FILES), "the split's own file as source.annotations")
        folder = absolute(given).rstrip("/")
        if not folder_exists(folder):
            folder = folder.rpartition("/")[0]
        names = self.file_names(split)
        for name in names:
            if file_exists(f"{folder}/{name}"):
                return find_some(f"{folder}/{name}", f"source.split={split}")
        raise ConfigError(
            f"source.split={split}: {folder} holds no {' or '.join(names)}; give the folder of the published "
            "files as source.annotations, or the file itself without a split"
        )

    def file_names(self, split: str) -> tuple[str, ...]:
        """The names under which the file of a split is published."""
        return self.FILES[split]

    def json_items(self) -> Iterator[tuple[str, int, str | None, Any]]:
        """Yield (file, position, key or None, entry) of the JSON files. Raises ConfigError."""
        for file in self.annotation_files():
            entries = json_entries(file.path, "source.annotations", progress=self.progress)
            for position, (key, entry) in enumerate(entries):
                yield file.path, position, key, entry

    def wrong_file(self, wanted: str) -> ConfigError:
        """The error for annotations in which no entry has the fields of this kind."""
        return ConfigError(
            f"source.annotations: {self.config.annotations}: no entry of it has {wanted}; "
            f"is it the file of kind {self.config.kind}?"
        )


def bad_entry(path: str, position: int, what: str) -> BadEntry:
    """An entry that names no video."""
    return BadEntry(Reason.MALFORMED_ROW, f"{path}: entry {position}: {what}")


def no_caption(path: str, position: int, video: str, what: str) -> Entry:
    """An entry that names a video and has no caption that can be read."""
    return Entry(video, (), problem=(Reason.MISSING_CAPTION, f"{path}: entry {position}: {what}"))
