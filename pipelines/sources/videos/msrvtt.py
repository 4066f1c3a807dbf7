"""MSR-VTT: ``MSRVTT_data.json`` with its own splits, the same splits by number, and the published lists."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, ClassVar

import ijson

from pipelines.sources.videos.base import Entry, unknown_split
from pipelines.sources.videos.listed import ListedSource
from pipelines.sources.videos.splits import Split, select
from schemas.errors import ConfigError
from storage.find import FileInfo
from storage.read import open_input

OWN = {"train": "train", "val": "validate", "test": "test"}  # our name -> the JSON's name
BY_NUMBER = {"train.full": range(6513), "val.full": range(6513, 7010), "test.full": range(7010, 10000)}
META = ("split", "category", "start time", "end time")  # fields of a video that are kept


class MsrvttSource(ListedSource):
    """10,000 videos with twenty captions each. Of the 1k-A list, only the list's own sentence counts."""

    LISTS: ClassVar[Mapping[str, str]] = {
        "train.9k": "MSRVTT_train.9k.csv",
        "train.7k": "MSRVTT_train.7k.csv",
        "1k-A": "MSRVTT_JSFUSION_test.csv",
    }

    def split_files(self) -> list[FileInfo]:
        """The list's file; [] for a split that the JSON or the numbers give."""
        if self.config.split in OWN or self.config.split in BY_NUMBER:
            return []
        if self.config.split is not None and self.config.split not in self.LISTS:
            raise unknown_split(self.config.split, [*OWN, *BY_NUMBER, *self.LISTS])
        return super().split_files()

    def entries(self) -> Iterator[Entry]:
        """Yield the videos in the order of the list, else of the JSON's videos."""
        if self.config.split in OWN:
            yield from self._own(self.config.split)
            return
        if self.config.split in BY_NUMBER:
            numbers = BY_NUMBER[self.config.split]
            yield from select(Split(tuple(f"video{number}" for number in numbers)), self._all())
            return
        split = self.split()
        if self.config.annotations is None and (split is None or split.sentences is None):
            raise ConfigError(
                "source.annotations is required: this list has no column sentence to take captions from"
            )
        yield from select(split, self._all())

    def _own(self, split: str) -> Iterator[Entry]:
        """Yield the videos of a split by the JSON itself. Raises ConfigError if there is none."""
        found = False
        for entry in self._all():
            if entry.meta.get("split") == OWN[split]:
                found = True
                yield entry
        if not found:
            raise ConfigError(
                f"source.split={split}: {self.config.annotations}: it has no 'videos' of split {OWN[split]!r}; "
                f"give source.split={split}.full, or the list: source.split_file=MSRVTT_{split}.full.csv"
            )

    def _all(self) -> Iterator[Entry]:
        if self.config.annotations is None:
            return
        captions: dict[str, list[str]] = {}
        about: dict[str, dict[str, Any]] = {}
        for file in self.annotation_files():
            for item in _items(file.path, "sentences.item"):
                if isinstance(item.get("video_id"), str) and isinstance(item.get("caption"), str):
                    captions.setdefault(item["video_id"], []).append(item["caption"])
            for item in _items(file.path, "videos.item"):
                if isinstance(item.get("video_id"), str):
                    about.setdefault(item["video_id"], item)
        if not captions:
            raise ConfigError(
                f"source.annotations: {self.config.annotations}: no 'sentences' in it; give MSRVTT_data.json"
            )
        for video in about or captions:
            yield _entry(video, captions.get(video, []), about.get(video, {}))


def _entry(video: str, captions: list[str], item: dict[str, Any]) -> Entry:
    meta = {name.replace(" ", "_"): item[name] for name in META if name in item}
    url = item.get("url")
    return Entry(video, tuple(captions), url if isinstance(url, str) else None, meta)


def _items(path: str, prefix: str) -> Iterator[dict[str, Any]]:
    with open_input(path) as stream:
        try:
            yield from (
                item for item in ijson.items(stream, prefix, use_float=True) if isinstance(item, dict)
            )
        except (ijson.JSONError, UnicodeDecodeError) as error:
            raise ConfigError(
                f"source.annotations: {path}: not JSON, or cut off: {str(error)[:120]}"
            ) from None
