"""MSR-VTT: ``MSRVTT_data.json`` with its own splits, the same splits by number, and the published lists."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import ClassVar

from pipelines.sources.annotations.videos_json import read_videos
from pipelines.sources.videos.base import BadEntry, Entry, unknown_split
from pipelines.sources.videos.listed import ListedSource
from pipelines.sources.videos.splits import Split, select
from schemas.errors import ConfigError
from storage.find import FileInfo

OWN = {"train": "train", "val": "validate", "test": "test"}  # our name -> the JSON's name
BY_NUMBER = {"train.full": range(6513), "val.full": range(6513, 7010), "test.full": range(7010, 10000)}
CAPTION_FIELDS = ("caption", "captions", "sentence", "sentences", "text")
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

    @property
    def plans_apart(self) -> bool:
        """Always: JSON."""
        return True

    def entries(self) -> Iterator[Entry | BadEntry]:
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
                f"source.split={split}: {self.config.annotations}: "
                f"it has no 'videos' of split {OWN[split]!r}; "
                f"give source.split={split}.full, or the list: source.split_file=MSRVTT_{split}.full.csv"
            )

    def _all(self) -> Iterator[Entry]:
        if self.config.annotations is None:
            return
        paths = [file.path for file in self.annotation_files()]
        videos = read_videos(paths, "source.annotations", CAPTION_FIELDS, self.progress)
        if not any(item.captions for item in videos.values()):
            cause = "no 'sentences' in it"
            if videos:
                cause = "no captions in it: a sentence needs a video_id and a caption that is text"
            raise ConfigError(
                f"source.annotations: {self.config.annotations}: {cause}; give MSRVTT_data.json"
            )
        for video, item in videos.items():
            meta = {name.replace(" ", "_"): item.about[name] for name in META if name in item.about}
            url = item.about.get("url")
            if not isinstance(url, str):
                url = None
            yield Entry(video, tuple(item.captions), url, meta)
