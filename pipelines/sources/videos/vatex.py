"""VATEX: its JSON, as released (a list of objects) or in CLIP2Video's form (an object by id), and its lists of ids."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, ClassVar

import ijson

from pipelines.sources.annotations.cells import texts
from pipelines.sources.videos.base import Entry
from pipelines.sources.videos.listed import ListedSource
from pipelines.sources.videos.splits import select
from schemas.errors import ConfigError
from storage.read import open_input


class VatexSource(ListedSource):
    """Videos with ten English and ten Chinese captions. The annotations may be several files."""

    LISTS: ClassVar[Mapping[str, str]] = {
        name: f"{name}_list.txt" for name in ("train", "val", "test", "test1k5_sec")
    }

    def entries(self) -> Iterator[Entry]:
        """Yield the videos in the order of the list, else of the JSON."""
        yield from select(self.split(), self._all())

    def _all(self) -> Iterator[Entry]:
        column = "chCap" if self.config.language == "zh" else "enCap"
        meta = {"split": self.config.split} if self.config.split else {}
        for file in self.annotation_files():
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
