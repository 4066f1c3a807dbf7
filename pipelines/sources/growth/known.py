"""The inputs that an output was planned from, as it remembers them.

A mark is a name and an identity. It is of an input (a picture of a folder, an image of COCO, a video), or of
a file and how far it was read (a table, a tar). A segment is one plan: that of the first run, or of a later
growth.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Any

import pyarrow as pa

from schemas.errors import ConfigError
from schemas.records import Task

MARKS = pa.schema([("name", pa.string()), ("about", pa.string())])
FAILED = "failed"  # the identity of an input that planning could not use: a retry may, once it is repaired


@dataclass(frozen=True)
class Segment:
    """One plan of an output: consecutive tasks over inputs that the source had then."""

    first: int  # number of its first task
    tasks: int
    inputs: int  # an estimate where the tasks' numbers are
    marks: pa.Table  # of MARKS, in the order of the plan

    def pairs(self) -> Iterator[tuple[str, str]]:
        """Yield (name, identity) in order."""
        for batch in self.marks.to_batches(8192):
            yield from zip(batch["name"].to_pylist(), batch["about"].to_pylist(), strict=True)


@dataclass(frozen=True)
class Known:
    """All that an output knows of its source."""

    segments: tuple[Segment, ...]
    next: int  # number of the first new task
    strict: bool = True  # refuse a source whose known inputs have changed
    grows: bool = True  # plan what is not known, too; a retry does not

    @property
    def inputs(self) -> int:
        """Known inputs."""
        return sum(segment.inputs for segment in self.segments)

    def room(self, limit: int | None) -> int | None:
        """Number of new inputs that a limit of the source allows; None for any number."""
        if not self.grows:
            return 0
        if limit is None:
            return None
        return max(0, limit - self.inputs)


def marks_table(pairs: Iterable[tuple[str, str]]) -> pa.Table:
    """Marks as a table of MARKS."""
    names, about = [], []
    for name, identity in pairs:
        names.append(name)
        about.append(identity)
    return pa.table([names, about], MARKS)


def digest(values: Any) -> str:
    """Identify plain JSON values: 16 hex digits."""
    text = json.dumps(values, sort_keys=True, separators=(",", ":"), default=str)
    return hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=8).hexdigest()


def changed(field: str, where: str, what: str) -> ConfigError:
    """The error for a source that has changed in another way than by new inputs."""
    return ConfigError(
        f"{field}: {where}: {what} since the output was made; only inputs that are added are made, so give "
        "another output, or overwrite=true; `zoetrope retry` makes failed inputs again from the source as it "
        "is now"
    )


def with_marks(tasks: Iterable[Task], marks: list[tuple[str, str]]) -> Iterator[Task]:
    """Yield the tasks. The last one carries the marks that planning has appended by then."""
    held: Task | None = None
    for task in tasks:
        if held is not None:
            yield held
        held = task
    if held is not None:
        yield replace(held, marks=tuple(marks))
