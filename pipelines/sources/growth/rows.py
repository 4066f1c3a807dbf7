"""Plan a source whose inputs have names of their own: pictures of a folder, images of COCO, videos.

New inputs may be anywhere in the source's order. They follow the known ones in the plan, and their positions,
which keys may hold, continue those of the known ones.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from typing import Any

from pipelines.sources.growth.known import FAILED, Known, Segment, changed
from schemas.records import Task

OTHER = "?"  # begins the names of rows that name no input; their positions are counted apart

Placed = tuple[str, str, dict[str, Any] | None]  # name, identity, row of the payload; None if it has gone


@dataclass(slots=True)
class Row:
    """One input before it has its position."""

    name: str  # unique in the source, whatever else it holds
    about: str  # identity of the input, see `digest`; FAILED if planning cannot use it
    key: str  # of the sample, in the form of str.format, with the position as {0}
    values: dict[str, Any]  # the row of the payload, without its key


@dataclass(frozen=True)
class Planner:
    """Plans a source of rows."""

    size: int  # inputs of a task
    limit: int | None
    field: str  # of the config, for a message
    noun: str = ""  # before an input's name there

    def plan(self, rows: Iterable[Row], known: Known | None = None) -> Iterator[Task]:
        """Yield the tasks: of the known segments, then of what is new. Raises ConfigError as `changed`."""
        positions: Counter[bool] = Counter()
        if known is None:
            yield from self._tasks(islice(_placed(rows, positions), self.limit), 0)
            return
        left = {row.name: row for row in rows}
        for segment in known.segments:
            placed = self._known(segment, left, positions, strict=known.strict)
            yield from self._tasks(placed, segment.first)
        new = islice(_placed(left.values(), positions), known.room(self.limit))
        yield from self._tasks(new, known.next)

    def _tasks(self, rows: Iterable[Placed], first: int) -> Iterator[Task]:
        rows = iter(rows)
        for index, chunk in enumerate(iter(lambda: list(islice(rows, self.size)), []), first):
            there = [values for _, _, values in chunk if values is not None]
            marks = tuple((name, about) for name, about, _ in chunk)
            yield Task(index, len(there), {"rows": there}, marks=marks)

    def _known(
        self, segment: Segment, left: dict[str, Row], positions: Counter[bool], *, strict: bool
    ) -> Iterator[Placed]:
        """The rows of a segment in its order; a row that the source no longer has keeps its position."""
        for name, about in segment.pairs():
            row = left.pop(name, None)
            if strict and row is None:
                raise changed(self.field, self.noun + name.removeprefix(OTHER), "it has gone")
            if strict and row is not None and about not in (FAILED, row.about):
                where = self.noun + name.removeprefix(OTHER)
                raise changed(self.field, where, "it, or its caption, has changed")
            if row is None:
                positions[name.startswith(OTHER)] += 1
                yield name, about, None
                continue
            (placed,) = _placed([row], positions)
            yield placed


def _placed(rows: Iterable[Row], positions: Counter[bool]) -> Iterator[Placed]:
    for row in rows:
        series = row.name.startswith(OTHER)
        yield row.name, row.about, {"key": row.key.format(positions[series]), **row.values}
        positions[series] += 1


def unique(rows: Iterable[Row]) -> Iterator[Row]:
    """Make repeated names unique by appending a number."""
    seen: Counter[str] = Counter()
    for row in rows:
        seen[row.name] += 1
        if seen[row.name] > 1:
            row.name = f"{row.name}#{seen[row.name]}"
        yield row
