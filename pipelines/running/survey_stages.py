"""The Beam stages of the pass over the whole input: marks of all samples, grouped, and a verdict per sample.

Marks move in packed arrays of a part of all marks each, so that a group of Beam's holds about `PART` of them.
The links between near marks meet in one place: 16 bytes for each picture that has a near one, and each band.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Protocol

import apache_beam as beam
import numpy as np

from pipelines.curation import groups
from pipelines.curation.verdicts import read_keys, read_rows, write_rows, write_verdicts
from pipelines.curation.whole import Marks, WholeRule
from pipelines.making.task import output_error
from pipelines.output.job import TaskAt
from pipelines.running.watch.signals import find_signals
from schemas.errors import StoppedError
from schemas.records import Task
from storage.login import get_options, set_options

PART = 200_000  # marks of a group
Part = tuple[int, int, int]  # rule, band, number of the part


class Surveyor(Protocol):
    """A maker that can give marks."""

    def setup(self) -> None:
        """Called once per worker."""

    def survey(self, task: Task) -> Iterator[tuple[str, Marks]]:
        """The key and marks of each input, in input order."""

    def close(self) -> None:
        """Called once per worker, at its end."""


@dataclass(frozen=True)
class SurveySpec:
    """The settings of the stages. Small and picklable."""

    folder: str  # of the files of the pass
    rules: tuple[WholeRule, ...]
    parts: int
    signals: str | None = None
    stores: Mapping[str, Mapping[str, Any]] = field(default_factory=get_options)


def build_survey(
    pipeline: beam.Pipeline, surveyor: Surveyor, spec: SurveySpec, places: Sequence[TaskAt]
) -> None:
    """Put the pass into a pipeline."""
    by_part = tuple[Part, bytes]
    by_task = tuple[int, bytes]
    tasks = pipeline | beam.Create(list(places))
    marks = tasks | "Survey" >> beam.ParDo(_Survey(surveyor, spec)).with_output_types(by_part)
    matched = (
        marks
        | "By mark" >> beam.GroupByKey()
        | "Match" >> beam.ParDo(_Match(spec)).with_outputs("links", "found")
    )
    # Tagged outputs carry no type, by which Beam chooses the coder of a key: `_same` gives them one.
    linked = (
        matched.links
        | "Typed links" >> beam.Map(_same).with_output_types(by_task)
        | "All links" >> beam.GroupByKey()
        | "Connect" >> beam.ParDo(_Connect()).with_output_types(by_task)
    )
    equal = matched.found | "Typed found" >> beam.Map(_same).with_output_types(by_task)
    _ = (
        (equal, linked)
        | beam.Flatten()
        | "By first" >> beam.GroupByKey()
        | "Name" >> beam.ParDo(_Name(spec)).with_output_types(by_task)
        | "By task" >> beam.GroupByKey()
        | "Write" >> beam.ParDo(_Write(spec))
    )


class _Stage(beam.DoFn):
    """A stage that opens stores as the submitter does."""

    def __init__(self, spec: SurveySpec) -> None:
        self._spec = spec

    def setup(self) -> None:
        set_options(self._spec.stores)


class _Survey(_Stage):
    """The marks of a task, packed by part. Rows that an earlier pass has written are read."""

    def __init__(self, surveyor: Surveyor, spec: SurveySpec) -> None:
        super().__init__(spec)
        self._surveyor = surveyor

    def setup(self) -> None:
        super().setup()
        self._surveyor.setup()
        self._signals = find_signals(self._spec.signals)
        interrupt = getattr(self._surveyor, "interrupt", None)
        if interrupt is not None:
            self._signals.when_interrupted(interrupt)

    def teardown(self) -> None:
        self._surveyor.close()

    def process(self, place: TaskAt) -> Iterator[tuple[Part, bytes]]:
        task = place.load()
        rows = read_rows(self._spec.folder, task)
        if rows is None:
            self._look(task)
            rows = read_rows(self._spec.folder, task)
        else:
            self._signals.count(rows.num_rows, 0)
        assert rows is not None  # noqa: S101 - it was just written
        for number, rule in enumerate(self._spec.rules):
            if f"mark_{number}" in rows.column_names:
                yield from self._packed(number, rule, task.index, rows[f"mark_{number}"].to_pylist())

    def _look(self, task: Task) -> None:
        keys, marks = [], []
        for key, found in self._surveyor.survey(task):
            keys.append(key)
            marks.append(found)
            self._signals.count(1, 0)
            if self._signals.stop_requested():
                raise StoppedError("stopped")
        with _writing(self._spec.folder):
            write_rows(self._spec.folder, task, keys, marks)

    def _packed(
        self, number: int, rule: WholeRule, task: int, marks: list[bytes | None]
    ) -> Iterator[tuple[Part, bytes]]:
        rows = np.flatnonzero([mark is not None for mark in marks])
        entries = groups.marked([mark for mark in marks if mark is not None], groups.place_of(task, rows))
        bands = 1
        if _is_near(rule):
            bands += rule.distance
        for band in range(bands):
            if _is_near(rule):
                keys = groups.band_of(entries["mark"], band, bands)
            else:
                keys = entries["mark"]
            for part, some in _split(entries, keys % np.uint64(self._spec.parts)):
                yield (number, band, part), some.tobytes()


class _Match(_Stage):
    """The groups of equal marks, and the links between near ones, of one part."""

    def process(self, grouped: tuple[Part, Iterable[bytes]]) -> Iterator[beam.pvalue.TaggedOutput]:
        (number, band, _), packed = grouped
        entries = _joined(packed, groups.MARKED)
        rule = self._spec.rules[number]
        if _is_near(rule):
            links = groups.near_links(entries, band, rule.distance)
            if len(links):
                yield beam.pvalue.TaggedOutput("links", (number, links.tobytes()))
            return
        for task, some in _by_task(groups.equal_groups(entries), number):
            yield beam.pvalue.TaggedOutput("found", (task, some))


class _Connect(beam.DoFn):
    """The groups of near marks of one rule, from all links."""

    def process(self, grouped: tuple[int, Iterable[bytes]]) -> Iterator[tuple[int, bytes]]:
        number, packed = grouped
        links = np.unique(_joined(packed, groups.LINK))
        yield from _by_task(groups.connected(links), number)


class _Name(_Stage):
    """The keys of the first samples of groups, which all are of one task; by the task of each sample."""

    def process(self, grouped: tuple[int, Iterable[bytes]]) -> Iterator[tuple[int, bytes]]:
        first_task, packed = grouped
        keys = read_keys(self._spec.folder, first_task)
        # A place is a task and, in its low bits, a row of it (`groups.place_of`).
        mask = (1 << groups.ROW_BITS) - 1
        for data in packed:
            number = int.from_bytes(data[:4], "big")
            found = np.frombuffer(data[4:], groups.FOUND)
            for task, some in _split(found, found["place"] >> groups.ROW_BITS):
                named = [
                    [number, int(place) & mask, int(count), keys[int(first) & mask]]
                    for place, first, count in some.tolist()
                ]
                yield task, json.dumps(named).encode()


class _Write(_Stage):
    """Write the verdicts of a task."""

    def process(self, grouped: tuple[int, Iterable[bytes]]) -> None:
        task, packed = grouped
        keys, rules = read_keys(self._spec.folder, task), self._spec.rules
        rows = [row for data in packed for row in json.loads(data)]
        named = [(keys[row], rules[number].label, count, first) for number, row, count, first in rows]
        with _writing(self._spec.folder):
            write_verdicts(self._spec.folder, task, named)


@contextmanager
def _writing(folder: str) -> Iterator[None]:
    """Raise OutputError for what cannot be written: one line, as of a shard."""
    try:
        yield
    except OSError as error:
        raise output_error(error, folder) from error


def _is_near(rule: WholeRule) -> bool:
    return rule.name == "near_duplicates"


def _by_task(found: np.ndarray, number: int) -> Iterator[tuple[int, bytes]]:
    """FOUND by the task of the first sample, after the number of the rule."""
    for task, some in _split(found, found["first"] >> groups.ROW_BITS):
        yield task, number.to_bytes(4, "big") + some.tobytes()


def _split(values: np.ndarray, keys: np.ndarray) -> Iterator[tuple[int, np.ndarray]]:
    for key in np.unique(keys):
        yield int(key), values[keys == key]


def _joined(packed: Iterable[bytes], kind: np.dtype) -> np.ndarray:
    return np.frombuffer(b"".join(packed), kind)


def _same(value: Any) -> Any:
    return value
