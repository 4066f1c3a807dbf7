"""The source `urls`: pictures by their addresses, from lists of them."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from itertools import chain, islice
from typing import Any

from pipelines.sources.annotations.cells import url_identity
from pipelines.sources.base import Source
from pipelines.sources.config import SourceConfig
from pipelines.sources.growth.files import find_known, relative_names
from pipelines.sources.growth.known import Known, changed, with_marks
from pipelines.sources.urls.lists import Columns, Listed, is_compressed, read_list
from schemas.records import Failure, Reason, Reference, Stage, Task
from schemas.text import counted, valid_or_none, valid_text
from storage.find import FileInfo, find_some, identity

FIELD = "source.uri"
UrlRow = dict[str, Any]


@dataclass(frozen=True)
class Span:
    """Rows of a list that a segment planned, and a digest of all rows of the list up to their end."""

    start: int
    stop: int
    sum: str


class Digest:
    """Counts and identifies rows."""

    def __init__(self) -> None:
        self.rows = 0
        self._hash = hashlib.blake2b(digest_size=8)

    def add(self, row: UrlRow) -> None:
        """Add the next row of a list. The detail of a faulty one names the list's path, and is left out."""
        self.rows += 1
        about = [row["url"], row.get("captions"), row.get("reason")]
        if "meta" in row:
            about.append(row["meta"])
        self._hash.update(json.dumps(about).encode())

    def text(self) -> str:
        """16 hex digits."""
        return self._hash.hexdigest()


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
        kept = {}
        if self.config.keep:
            kept = {"keep": list(self.config.keep)}
        return {"kind": "urls", "limit": self.config.limit, **columns, **kept, **identity(self._files())}

    @property
    def can_grow(self) -> bool:
        """Always: by rows at the end of lists, and by further lists."""
        return True

    def plan(self) -> Iterator[Task]:
        """A task is ``{rows: [{url, captions, meta?} | {url, reason, detail}], first}``."""
        return self.plan_from(Known((), 0))

    def plan_from(self, known: Known) -> Iterator[Task]:
        """Known rows, whose digest must be the same; then the rows after them."""
        files = self._files()
        ends: dict[str, Span] = {}  # path -> the rows of it that are planned
        first = 0
        for segment in known.segments:
            spans = [(name, Span(**json.loads(about))) for name, about in segment.pairs()]
            found = find_known(files, [name for name, _ in spans], FIELD)
            rows = chain.from_iterable(self._known(found[name], span) for name, span in spans)
            for task in self._tasks(rows, segment.first, first):
                yield task
                first += task.samples
            ends |= {found[name].path: span for name, span in spans}
        marks: list[tuple[str, str]] = []
        new = self._new(files, ends, known.room(self.config.limit), marks)
        yield from with_marks(self._tasks(new, known.next, first), marks)

    def _tasks(self, rows: Iterator[UrlRow], index: int, first: int) -> Iterator[Task]:
        for chunk in iter(lambda: list(islice(rows, self.shard_samples)), []):
            yield Task(index, len(chunk), {"rows": chunk, "first": first})
            index, first = index + 1, first + len(chunk)

    def _known(self, file: FileInfo, span: Span) -> Iterator[UrlRow]:
        """The rows of a span. Raises ConfigError if the rows of the list up to its end have changed."""
        seen = Digest()
        for row in islice(self._rows(file), span.stop):
            seen.add(row)
            if seen.rows > span.start:
                yield row
        if (seen.rows, seen.text()) != (span.stop, span.sum):
            raise changed(FIELD, file.path, f"its first {counted(span.stop, 'row')} have changed")

    def _new(
        self,
        files: list[FileInfo],
        ends: Mapping[str, Span],
        room: int | None,
        marks: list[tuple[str, str]],
    ) -> Iterator[UrlRow]:
        """Yield the rows that are not planned yet, up to `room`, and append their marks."""
        names = relative_names(files)
        left: float = math.inf
        if room is not None:
            left = room
        for file in files:
            if left <= 0:
                return
            start, seen = 0, Digest()
            if file.path in ends:
                start = ends[file.path].stop
            for row in self._rows(file):
                seen.add(row)
                if seen.rows > start:
                    yield row
                    left -= 1
                if left <= 0:
                    break
            if seen.rows > start:
                span = Span(start, seen.rows, seen.text())
                marks.append((names[file.path], json.dumps(asdict(span))))

    def read(self, task: Task) -> Iterator[Reference | Failure]:
        """Yield one reference or failure per row. Nothing is read here."""
        for number, row in enumerate(task.payload["rows"], task.payload["first"]):
            key, url = f"urls-{number:09d}", row["url"]
            if "reason" in row:
                yield Failure(key, Stage.PLAN, Reason(row["reason"]), row["detail"], url)
            else:
                captions, meta = tuple(row["captions"]), row.get("meta", {})
                yield Reference(key, captions, "urls", url=url, image_id=url_identity(url), meta=meta)

    def _files(self) -> list[FileInfo]:
        return find_some(self.config.uri or "", FIELD)[: self.first_files]

    def _rows(self, file: FileInfo) -> Iterator[UrlRow]:
        self.progress(file.path)
        columns = Columns(self.config.url_column, self.config.caption_column, self.config.keep)
        for row in read_list(file, columns):
            if isinstance(row, Listed):
                listed: UrlRow = {"url": valid_text(row.url), "captions": list(row.captions)}
                if row.meta:
                    listed["meta"] = row.meta
                yield listed
            else:
                reason, detail, url = row
                yield {"url": valid_or_none(url), "reason": str(reason), "detail": valid_text(detail)}
