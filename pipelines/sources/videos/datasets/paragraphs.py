"""DiDeMo and ActivityNet Captions: sentences about moments of a video, joined to one paragraph per video.

Both are used for video-paragraph retrieval, as by Frozen in Time, CLIP4Clip and Singularity: all sentences of
a video are one query.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from itertools import chain, repeat
from typing import Any, ClassVar

from pipelines.sources.annotations.cells import as_mapping
from pipelines.sources.videos.base import BadEntry, Entry
from pipelines.sources.videos.split_files import SplitFilesSource, bad_entry, no_caption
from schemas.text import valid_text


@dataclass(slots=True)
class _Moments:
    """The sentences of one video."""

    path: str
    position: int
    sentences: list[str] = field(default_factory=list)


class DidemoSource(SplitFilesSource):
    """``{train,val,test}_data.json``: a list of objects with ``video``, ``description`` and ``times``.

    The descriptions of a video are joined in the file's order, as CLIP4Clip does.
    """

    FILES: ClassVar[Mapping[str, tuple[str, ...]]] = {
        name: (f"{name}_data.json",) for name in ("train", "val", "test")
    }

    def entries(self) -> Iterator[Entry | BadEntry]:
        """Yield the videos in the order of the file."""
        videos: dict[str, _Moments] = {}
        bad: list[BadEntry] = []
        for path, position, _, item in self.json_items():
            video = as_mapping(item).get("video")
            if not isinstance(video, str) or not video:
                bad.append(bad_entry(path, position, "no video"))
                continue
            moments = videos.setdefault(video, _Moments(path, position))
            text = _sentence(item.get("description"))
            if text:
                moments.sentences.append(text)
        if not videos:
            raise self.wrong_file("'video' and 'description'")
        for video, moments in videos.items():
            yield self._entry(video, moments)
        yield from bad

    def _entry(self, video: str, moments: _Moments) -> Entry:
        if not moments.sentences:
            return no_caption(moments.path, moments.position, video, "no description")
        about = {**self.meta(), "sentences": moments.sentences}
        return Entry(video, (" ".join(moments.sentences),), None, about)


class ActivityNetSource(SplitFilesSource):
    """``train.json``, ``val_1.json``, ``val_2.json``: by id, ``duration``, ``timestamps`` and ``sentences``.

    The sentences of a video are joined in the order of their starts. Ids begin with ``v_``; files may
    be named with or without it.
    """

    FILES: ClassVar[Mapping[str, tuple[str, ...]]] = {
        name: (f"{name}.json",) for name in ("train", "val_1", "val_2")
    }

    def entries(self) -> Iterator[Entry | BadEntry]:
        """Yield the videos in the order of the file."""
        bad: list[BadEntry] = []
        found = False
        for path, position, video, item in self.json_items():
            if not isinstance(item, dict) or video is None:
                bad.append(bad_entry(path, position, "not an object of sentences by video id"))
                continue
            found = found or "sentences" in item
            yield self._entry(path, position, video, item)
        if not found:
            raise self.wrong_file("'sentences'")
        yield from bad

    def _entry(self, path: str, position: int, video: str, item: Mapping[str, Any]) -> Entry:
        timed = _in_time_order(item.get("sentences"), item.get("timestamps"))
        if not timed:
            return no_caption(path, position, video, "no sentences")
        about = {**self.meta(), "sentences": [text for _, text in timed]}
        if all(moment is not None for moment, _ in timed):
            about["timestamps"] = [moment for moment, _ in timed]
        paragraph = " ".join(text for _, text in timed)
        return Entry(video, (paragraph,), None, about, also=(video.removeprefix("v_"),))


def _in_time_order(sentences: Any, timestamps: Any) -> list[tuple[list[float] | None, str]]:
    """(moment, sentence) by start and end in seconds; sentences without a moment keep the file's order."""
    if not isinstance(sentences, list):
        sentences = []
    if not isinstance(timestamps, list):
        timestamps = []
    texts = map(_sentence, sentences)
    moments = chain(map(_moment, timestamps), repeat(None))
    pairs = [(moment, text) for text, moment in zip(texts, moments, strict=False) if text]
    if all(moment is not None for moment, _ in pairs):
        pairs.sort(key=lambda pair: pair[0] or [])
    return pairs


def _moment(value: Any) -> list[float] | None:
    if not isinstance(value, list) or len(value) != 2:
        return None
    if any(isinstance(time, bool) or not isinstance(time, int | float) for time in value):
        return None
    return [float(time) for time in value]


def _sentence(value: Any) -> str:
    if not isinstance(value, str):
        return ""
    return " ".join(valid_text(value).split())
