"""MSR-VTT: ``MSRVTT_data.json`` with its own train, validate and test, the same by number, and the published lists."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import ijson

from pipelines.sources.videos.base import Entry, annotation_files, unknown_split
from pipelines.sources.videos.config import VideoSourceConfig
from pipelines.sources.videos.splits import Split, select, split_files, split_of
from schemas.errors import ConfigError
from storage.inputs import FileInfo, open_input

LISTS = {
    "train.9k": "MSRVTT_train.9k.csv",
    "train.7k": "MSRVTT_train.7k.csv",
    "1k-A": "MSRVTT_JSFUSION_test.csv",
}
OWN = {"train": "train", "val": "validate", "test": "test"}  # our name -> the JSON's
FULL = {
    "train.full": range(6513),
    "val.full": range(6513, 7010),
    "test.full": range(7010, 10000),
}  # the same, by number
KNOWN = [*OWN, *FULL, *LISTS]


def files(config: VideoSourceConfig) -> Mapping[str, list[FileInfo]]:
    """The files that say which inputs there are."""
    found = {"split": split_files(config, LISTS)} if _list_wanted(config) else {}
    return found | ({"annotations": annotation_files(config)} if config.annotations is not None else {})


def entries(config: VideoSourceConfig) -> Iterator[Entry]:
    """Videos in the order of the list, else of the JSON's videos. Of the 1k-A list, only its own sentence counts."""
    if config.split in OWN:
        yield from _own(config, config.split)
        return
    if config.split in FULL:
        yield from select(Split(tuple(f"video{number}" for number in FULL[config.split])), _all(config))
        return
    if not _list_wanted(config):
        yield from _all(config)
        return
    split = split_of(config, LISTS)
    if config.annotations is None and (split is None or split.sentences is None):
        raise ConfigError(
            "source.annotations is required: this list has no column sentence to take captions from"
        )
    yield from select(split, _all(config))


def _list_wanted(config: VideoSourceConfig) -> bool:
    if config.split is not None and config.split not in KNOWN:
        raise unknown_split(config, KNOWN)
    return config.split in LISTS or config.split_file is not None


def _own(config: VideoSourceConfig, split: str) -> Iterator[Entry]:
    """The videos that the JSON itself says are of a split. Raises ConfigError if there is none."""
    found = False
    for entry in _all(config):
        if entry.meta.get("split") == OWN[split]:
            found = True
            yield entry
    if not found:
        raise ConfigError(
            f"source.split={split}: {config.annotations}: it has no 'videos' of split {OWN[split]!r}; "
            f"give source.split={split}.full, or the list: source.split_file=MSRVTT_{split}.full.csv"
        )


def _all(config: VideoSourceConfig) -> Iterator[Entry]:
    if config.annotations is None:
        return
    captions: dict[str, list[str]] = {}
    about: dict[str, dict[str, Any]] = {}
    for file in annotation_files(config):
        for item in _items(file.path, "sentences.item"):
            if isinstance(item.get("video_id"), str) and isinstance(item.get("caption"), str):
                captions.setdefault(item["video_id"], []).append(item["caption"])
        for item in _items(file.path, "videos.item"):
            if isinstance(item.get("video_id"), str):
                about.setdefault(item["video_id"], item)
    if not captions:
        raise ConfigError(
            f"source.annotations: {config.annotations}: no 'sentences' in it; give MSRVTT_data.json"
        )
    for video in about or captions:
        item = about.get(video, {})
        meta = {
            name.replace(" ", "_"): item[name]
            for name in ("split", "category", "start time", "end time")
            if name in item
        }
        url = item.get("url")
        yield Entry(video, tuple(captions.get(video, ())), url if isinstance(url, str) else None, meta)


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
