"""MSVD: ``raw-captions.pkl`` (a pickle, read without running it) and its lists of ids."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from pipelines.sources.videos.base import Entry, annotation_files
from pipelines.sources.videos.config import VideoSourceConfig
from pipelines.sources.videos.splits import select, split_files, split_of
from pipelines.sources.videos.word_lists import MAX_BYTES, read_word_lists
from schemas.errors import ConfigError
from storage.inputs import FileInfo, open_input

LISTS = {name: f"{name}_list.txt" for name in ("train", "val", "test")}  # 1200, 100 and 670 videos


def files(config: VideoSourceConfig) -> Mapping[str, list[FileInfo]]:
    """The files that say which inputs there are."""
    found = split_files(config, LISTS)
    return {"annotations": annotation_files(config)} | ({"split": found} if found else {})


def entries(config: VideoSourceConfig) -> Iterator[Entry]:
    """Videos in the order of the list, else of the pickle."""
    split = split_of(config, LISTS)
    meta = {"split": config.split} if config.split else {}
    captions = _captions(config)
    yield from select(split, (Entry(video, tuple(texts), None, meta) for video, texts in captions.items()))


def _captions(config: VideoSourceConfig) -> dict[str, list[str]]:
    captions: dict[str, list[str]] = {}
    for file in annotation_files(config):
        with open_input(file.path) as stream:
            data = stream.read(MAX_BYTES + 1)
        try:
            captions |= read_word_lists(data)
        except ValueError as error:
            raise ConfigError(f"source.annotations: {file.path}: {error}") from None
    return captions
