"""The records of a run, read from its metrics.jsonl. Lines that are no records are skipped and counted."""

from __future__ import annotations

import json
import math
from array import array
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import IO

import numpy as np

MAX_LINE = 1 << 20  # bytes; a record has about a thousand
MAX_RECORDS = 500_000
MAX_NAMES = 300  # values that a record may have
MAX_NAME = 120  # characters


@dataclass(frozen=True, eq=False)
class Series:
    """One value over the steps of a run."""

    steps: np.ndarray  # int64 [n], rising
    values: np.ndarray  # float64 [n], finite

    def __len__(self) -> int:
        return len(self.steps)

    def thinned(self, most: int) -> Series:
        """Return at most `most` points: means of neighbours, each at the last step of its neighbours."""
        together = -(-len(self) // most)
        if together <= 1:
            return self
        starts = np.arange(0, len(self), together)
        ends = np.minimum(starts + together, len(self))
        means = np.add.reduceat(self.values, starts) / (ends - starts)
        return Series(self.steps[ends - 1], means)


@dataclass(frozen=True)
class Records:
    """The content of a metrics.jsonl."""

    series: Mapping[str, Series]  # by name, in the order of the file
    last_step: int | None  # None without a record
    skipped: int = 0  # lines that are no records
    first_skipped: int = 0  # the number of the first of them, from 1
    cut: bool = False  # the file has more than MAX_RECORDS


@dataclass
class _Columns:
    """The values of one name in the order of the file."""

    steps: array[int] = field(default_factory=lambda: array("q"))
    values: array[float] = field(default_factory=lambda: array("d"))

    def sorted(self) -> Series:
        """Return the values by step. A resumed run may have written a step twice: the later one counts."""
        steps, values = np.array(self.steps, np.int64), np.array(self.values, np.float64)
        order = np.argsort(steps, kind="stable")
        steps, values = steps[order], values[order]
        last = np.append(steps[1:] != steps[:-1], True)
        return Series(steps[last], values[last])


def read_records(stream: IO[bytes]) -> Records:
    """Read a metrics.jsonl. The run is still writing a last line that has no end; it does not count."""
    columns: dict[str, _Columns] = {}
    last_step: int | None = None
    number = records = skipped = first_skipped = 0
    while records < MAX_RECORDS and (line := _next_line(stream)):
        number += 1
        record = _record(line)
        if record is None:
            if line.strip() and line.endswith(b"\n"):
                skipped += 1
                first_skipped = first_skipped or number
            continue
        records += 1
        step, values = record
        last_step = max(step, last_step or 0)
        for name, value in values.items():
            if name in columns or len(columns) < MAX_NAMES:
                column = columns.setdefault(name, _Columns())
                column.steps.append(step)
                column.values.append(value)
    cut = records == MAX_RECORDS and bool(stream.read(1))
    series = {name: column.sorted() for name, column in columns.items()}
    return Records(series, last_step, skipped, first_skipped, cut)


def _next_line(stream: IO[bytes]) -> bytes:
    """Return the next line; b'' at the end. Of a line that is too long, only the end: it is no record."""
    line = stream.readline(MAX_LINE)
    while len(line) == MAX_LINE and not line.endswith(b"\n"):
        line = b"}" + stream.readline(MAX_LINE - 1)
    return line


def _record(line: bytes) -> tuple[int, dict[str, float]] | None:
    """Return the step of a record and its finite numbers; None if the line is no record."""
    try:
        found = json.loads(line)
    except (ValueError, RecursionError):
        return None
    if not isinstance(found, dict):
        return None
    step = found.pop("step", None)
    if isinstance(step, bool) or not isinstance(step, int) or not 0 <= step < 2**62:
        return None
    numbers = {name[:MAX_NAME]: _number(value) for name, value in found.items()}
    return step, {name: value for name, value in numbers.items() if value is not None}


def _number(value: object) -> float | None:
    """Return a finite number as float; None for everything else, such as the null of an unknown value."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    try:
        number = float(value)
    except OverflowError:
        return None
    if not math.isfinite(number):
        return None
    return number
