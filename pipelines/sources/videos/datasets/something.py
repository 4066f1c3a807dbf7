"""Something-Something v2: what hands do with things.

The released JSON is a list of ``{"id", "label", "template", "placeholders"}``. The retrieval sets of
Singularity (Lei et al., 2022) are lists of ``{"video" or "image": file or files, "caption": text}``.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any, ClassVar

from pipelines.sources.annotations.cells import texts
from pipelines.sources.annotations.coco_index import identifier_of
from pipelines.sources.videos.base import BadEntry, Entry
from pipelines.sources.videos.split_files import SplitFilesSource, bad_entry, no_caption
from schemas.text import valid_text

BRACKETS = re.compile(r"\[([^\[\]]*)\]")  # around the placeholders of a template
FILE_FIELDS = ("video", "image")


class SomethingSource(SplitFilesSource):
    """Something-Something V2: 220,847 videos of 174 templates.

    The caption is the template (the default), or the label with its objects.

    The template task needs time: "moving [something] up" and "moving [something] down" share their frames.
    """

    FILES: ClassVar[Mapping[str, tuple[str, ...]]] = {
        "train": ("something-something-v2-train.json", "train.json"),
        "val": ("something-something-v2-validation.json", "validation.json"),
        "retrieval": ("ssv2_ret_{text}_val_small.json",),
    }

    @property
    def text(self) -> str:
        """The field that captions come from."""
        return str(self.config.text or "template")

    def file_names(self, split: str) -> tuple[str, ...]:
        """The published names of a split's file; the retrieval set has one per text."""
        return tuple(name.format(text=self.text) for name in super().file_names(split))

    def entries(self) -> Iterator[Entry | BadEntry]:
        """Yield the videos in the order of the file."""
        bad: list[BadEntry] = []
        found = False
        for path, position, _, item in self.json_items():
            if not isinstance(item, dict):
                bad.append(bad_entry(path, position, "not an object"))
                continue
            videos = _videos(item)
            if not videos:
                bad.append(bad_entry(path, position, "no id or video"))
                continue
            caption = self._caption(item)
            found = found or bool(caption)
            for video in videos:
                yield self._entry(path, position, video, caption, item)
        if not found:
            raise self.wrong_file(f"'{self.text}' or 'caption'")
        yield from bad

    def _entry(self, path: str, position: int, video: str, caption: str, item: Mapping[str, Any]) -> Entry:
        if not caption:
            return no_caption(path, position, video, f"no {self.text}")
        kept = {
            name: valid_text(item[name]) for name in ("label", "template") if isinstance(item.get(name), str)
        }
        return Entry(video, (caption,), None, {**self.meta(), **kept})

    def _caption(self, item: Mapping[str, Any]) -> str:
        text = item.get("caption", item.get(self.text))
        if not isinstance(text, str):
            return ""
        return BRACKETS.sub(r"\1", valid_text(text)).strip()


def _videos(item: Mapping[str, Any]) -> list[str]:
    """The ids or file names of an entry."""
    identifier = identifier_of(item.get("id"))
    if identifier is not None:
        return [valid_text(str(identifier))]
    value = next((item[name] for name in FILE_FIELDS if name in item), None)
    return [name for name in texts(value) if name]
