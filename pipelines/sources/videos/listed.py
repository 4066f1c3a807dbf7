"""Video sources with published lists of ids: MSR-VTT, MSVD and VATEX."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from pipelines.sources.videos.base import VideoSource, unknown_split
from pipelines.sources.videos.splits import Split, read_split
from storage.find import FileInfo, find_some
from storage.uris import absolute


class ListedSource(VideoSource):
    """A source of videos whose split is a list of ids: a published one by name, or `split_file`."""

    LISTS: ClassVar[Mapping[str, str]] = {}  # split -> name of its file in the folder of the annotations

    def files(self) -> Mapping[str, list[FileInfo]]:
        """The annotations and the list."""
        files = dict(super().files())
        split = self.split_files()
        if not split:
            return files
        return {"split": split, **files}

    def split_files(self) -> list[FileInfo]:
        """The list's file; [] if the config asks for none. Raises ConfigError if it is missing or unknown."""
        if self.config.split_file is not None:
            return find_some(self.config.split_file, "source.split_file")
        if self.config.split is None:
            return []
        if self.config.split not in self.LISTS:
            raise unknown_split(self.config.split, list(self.LISTS))
        folder = absolute(self.config.annotations or "").rpartition("/")[0]
        return find_some(f"{folder}/{self.LISTS[self.config.split]}", f"source.split={self.config.split}")

    def split(self) -> Split | None:
        """The list that the config asks for; None if it asks for every video."""
        files = self.split_files()
        if not files:
            return None
        return read_split(files[0].path)
