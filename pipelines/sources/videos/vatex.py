"""VATEX: its JSON, as released (a list of objects) or as CLIP2Video has it (an object by id), and its lists of ids."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import ijson

from pipelines.sources.base import texts
from pipelines.sources.videos.base import Entry, annotation_files
from pipelines.sources.videos.config import VideoSourceConfig
from pipelines.sources.videos.splits import select, split_files, split_of
from schemas.errors import ConfigError
from storage.inputs import FileInfo, open_input

LISTS = {name: f"{name}_list.txt" for name in ("train", "val", "test", "test1k5_sec")}


def files(config: VideoSourceConfig) -> Mapping[str, list[FileInfo]]:
    """The files that say which inputs there are."""
    found = split_files(config, LISTS)
    return {"annotations": annotation_files(config)} | ({"split": found} if found else {})


def entries(config: VideoSourceConfig) -> Iterator[Entry]:
    """Videos in the order of the list, else of the JSON."""
    yield from select(split_of(config, LISTS), _all(config))


def _all(config: VideoSourceConfig) -> Iterator[Entry]:
    """Files may be several, such as the released training and validation JSONs."""
    column = "chCap" if config.language == "zh" else "enCap"
    meta = {"split": config.split} if config.split else {}
    for file in annotation_files(config):
        for video, item in _items(file.path):
            yield Entry(video, tuple(texts(item.get(column) or [])), None, meta)


def _items(path: str) -> Iterator[tuple[str, dict[str, Any]]]:
    """(id, object) of each video, in either form."""
    with open_input(path) as stream:
        first = stream.read(64).lstrip()[:1]
        stream.seek(0)
        try:
            if first == b"{":
                for video, item in ijson.kvitems(stream, ""):
                    yield video, item if isinstance(item, dict) else {}
                return
            for item in ijson.items(stream, "item"):
                if isinstance(item, dict) and isinstance(item.get("videoID"), str):
                    yield item["videoID"], item
        except (ijson.JSONError, UnicodeDecodeError) as error:
            raise ConfigError(
                f"source.annotations: {path}: not JSON, or cut off: {str(error)[:120]}"
            ) from None
