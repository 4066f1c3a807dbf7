"""The source `urls`: pictures by their addresses, from lists of them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from pipelines.sources.annotations.cells import url_identity
from pipelines.sources.base import Source
from pipelines.sources.config import SourceConfig
from pipelines.sources.urls.lists import Columns, Listed, is_compressed, read_list
from schemas.records import Failure, Reason, Reference, Stage, Task
from schemas.text import valid_or_none, valid_text
from storage.find import FileInfo, find_some, identity


class UrlsSource(Source):
    """Rows of a glob of lists, counted over all of them. Key: the row's number.

    Tasks hold their rows, so a list is read once, and may be compressed. `cc3m` and `cc12m` read tables of
    many millions of rows by byte ranges.
    """

    config: SourceConfig

    @property
    def keys_are_row_numbers(self) -> bool:
        """Always."""
        return True

    @property
    def is_remote(self) -> bool:
        """Always."""
        return True

    @property
    def plans_apart(self) -> bool:
        """For compressed lists, and for JSON."""
        return any(is_compressed(file.path) or "json" in file.path.lower() for file in self._files())

    @property
    def reads_apart(self) -> bool:
        """Never: the rows are in the tasks."""
        return False

    def fingerprint(self) -> dict[str, Any]:
        """Kind, columns, names and sizes of the lists, and the limit."""
        columns = {"url_column": self.config.url_column, "caption_column": self.config.caption_column}
        return {"kind": "urls", "limit": self.config.limit, **columns, **identity(self._files())}

    def plan(self) -> Iterator[Task]:
        """A task is ``{rows: [{url, captions} | {url, reason, detail}], first}``."""
        first = 0
        for task in self.tasks(self._rows()):
            yield Task(task.index, task.samples, {**task.payload, "first": first})
            first += task.samples

    def read(self, task: Task) -> Iterator[Reference | Failure]:
        """Yield one reference or failure per row. Nothing is read here."""
        for number, row in enumerate(task.payload["rows"], task.payload["first"]):
            key, url = f"urls-{number:09d}", row["url"]
            if "reason" in row:
                yield Failure(key, Stage.PLAN, Reason(row["reason"]), row["detail"], url)
            else:
                yield Reference(key, tuple(row["captions"]), "urls", url=url, image_id=url_identity(url))

    def _files(self) -> list[FileInfo]:
        return find_some(self.config.uri or "", "source.uri")

    def _rows(self) -> Iterator[dict[str, Any]]:
        asked = Columns(self.config.url_column, self.config.caption_column)
        for file in self._files():
            self.progress(file.path)
            for row in read_list(file, asked):
                if isinstance(row, Listed):
                    yield {"url": valid_text(row.url), "captions": list(row.captions)}
                else:
                    reason, detail, url = row
                    yield {"url": valid_or_none(url), "reason": str(reason), "detail": valid_text(detail)}
