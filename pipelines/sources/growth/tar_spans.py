"""Tars of a known plan, and what is left of them: a limit may have cut one off, and others are new."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from pipelines.sources.growth.files import find_known, relative_names
from pipelines.sources.growth.known import Segment, changed
from storage.find import FileInfo

FIELD = "source.uri"


@dataclass(frozen=True, slots=True)
class TarSpan:
    """Consecutive samples of a tar."""

    file: FileInfo
    tar: int  # its number in keys: the place where it was first planned
    first: int = 0  # position of the first sample
    stop: int | None = None  # position after the last one; None: to the end, however many there are
    whole: bool = True  # does nothing follow?

    def payload(self) -> dict[str, Any]:
        """The payload of a task of this span."""
        payload: dict[str, Any] = {"uri": self.file.path, "tar": self.tar}
        if self.first:
            payload |= {"first": self.first, "stop": self.stop}
        return payload

    def about(self) -> str:
        """The identity that an output remembers."""
        values = {"size": self.file.size, "first": self.first, "stop": self.stop, "whole": self.whole}
        return json.dumps(values)


class TarSpans:
    """The tars of a source, each with the part that is already planned."""

    def __init__(self, files: Sequence[FileInfo]) -> None:
        self._files = files
        self._names = relative_names(files)
        self._last: dict[str, TarSpan] = {}  # path -> its last span

    def known(self, segment: Segment) -> list[TarSpan]:
        """The spans of a known segment. Raises ConfigError for a tar that has gone or has another size."""
        marks = list(segment.pairs())
        found = find_known(self._files, [name for name, _ in marks], FIELD)
        spans = []
        for name, about in marks:
            file, values = found[name], json.loads(about)
            if values.pop("size") != file.size:
                raise changed(FIELD, file.path, "it has another size (further samples go into a further tar)")
            spans.append(self._add(TarSpan(file, self._number(file), **values)))
        return spans

    def left(self) -> Iterator[TarSpan]:
        """Yield the rest of every tar."""
        for file in self._files:
            last = self._last.get(file.path)
            if last is None:
                yield self._add(TarSpan(file, self._number(file)))
            elif not last.whole:
                yield self._add(TarSpan(file, last.tar, last.stop or 0))

    def mark(self, span: TarSpan) -> tuple[str, str]:
        """The mark of a span that was planned."""
        return self._names[span.file.path], span.about()

    def _number(self, file: FileInfo) -> int:
        last = self._last.get(file.path)
        if last is None:
            return len(self._last)
        return last.tar

    def _add(self, span: TarSpan) -> TarSpan:
        self._last[span.file.path] = span
        return span
