"""VATEX: its JSON, as released or in CLIP2Video's form, and its lists of ids."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import ClassVar

from pipelines.sources.annotations.videos_json import read_videos
from pipelines.sources.videos.base import BadEntry, Entry
from pipelines.sources.videos.listed import ListedSource
from pipelines.sources.videos.splits import select

CAPTION_FIELDS = {"en": ("enCap", "caption", "captions", "sentence", "sentences"), "zh": ("chCap",)}


class VatexSource(ListedSource):
    """Videos with ten English and ten Chinese captions. The annotations may be several files."""

    LISTS: ClassVar[Mapping[str, str]] = {
        name: f"{name}_list.txt" for name in ("train", "val", "test", "test1k5_sec")
    }

    @property
    def plans_apart(self) -> bool:
        """Always: JSON."""
        return True

    def entries(self) -> Iterator[Entry | BadEntry]:
        """Yield the videos in the order of the list, else of the JSON."""
        yield from select(self.split(), self._all())

    def _all(self) -> Iterator[Entry]:
        meta = self.meta()
        paths = [file.path for file in self.annotation_files()]
        fields = CAPTION_FIELDS[self.config.language or "en"]
        videos = read_videos(paths, "source.annotations", fields, self.progress)
        for video, item in videos.items():
            yield Entry(video, tuple(item.captions), None, meta)
