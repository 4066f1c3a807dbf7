"""MSVD: ``raw-captions.pkl`` (a pickle, read without running it) and its lists of ids."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import ClassVar

from pipelines.sources.videos.base import BadEntry, Entry
from pipelines.sources.videos.datasets.word_lists import MAX_BYTES, read_word_lists
from pipelines.sources.videos.listed import ListedSource
from pipelines.sources.videos.splits import select
from schemas.errors import ConfigError
from storage.read import open_input


class MsvdSource(ListedSource):
    """1970 videos: 1200 to train, 100 to validate, 670 to test."""

    LISTS: ClassVar[Mapping[str, str]] = {name: f"{name}_list.txt" for name in ("train", "val", "test")}

    @property
    def plans_apart(self) -> bool:
        """Always: a pickle, whose lists may stand for far more than its bytes."""
        return True

    def entries(self) -> Iterator[Entry | BadEntry]:
        """Yield the videos in the order of the list, else of the pickle."""
        split = self.split()
        meta = self.meta()
        captions = self._captions()
        yield from select(
            split, (Entry(video, tuple(texts), None, meta) for video, texts in captions.items())
        )

    def _captions(self) -> dict[str, list[str]]:
        captions: dict[str, list[str]] = {}
        for file in self.annotation_files():
            self.progress(file.path)
            with open_input(file.path) as stream:
                data = stream.read(MAX_BYTES + 1)
            try:
                captions |= read_word_lists(data)
            except ValueError as error:
                raise ConfigError(
                    f"source.annotations: {file.path}: {error}; give MSVD's raw-captions.pkl"
                ) from None
        return captions
