"""The pass over the whole input before a job makes anything: marks of all samples, grouped by Beam.

Marks move in packed arrays of a part of all marks each, so that a group of Beam's holds about `PART` of them.
The links between near marks meet in one place: 16 bytes for each picture that has a near one, and each band.
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Protocol

import apache_beam as beam
import numpy as np

from pipelines.curation import groups
from pipelines.curation.verdicts import FOLDER, read_keys, read_rows, write_rows, write_verdicts
from pipelines.curation.whole import Marks, WholeRule
from pipelines.making.task import output_error
from pipelines.output.folder import Output
from pipelines.output.job import Job, TaskAt, is_of_source, spool
from pipelines.running.watch.signals import find_signals
from pipelines.sources.growth.known import digest
from schemas.errors import StoppedError
from schemas.records import Task
from storage.folders import first_name
from storage.login import get_options, set_options
from storage.write import create_file, remove_file, remove_tree

PART = 200_000  # marks of a group
DONE, STARTED = f"{FOLDER}/done.json", f"{FOLDER}/started.json"
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


@dataclass(frozen=True)
class SurveyPlan:
    """The tasks of a pass."""

    path: str
    places: list[TaskAt]
    inputs: int
    exact: bool


def survey_due(job: Job, output: Output) -> bool:
    """Has a job rules over the whole input whose pass is not complete?"""
    if not job.whole or job.is_retry:
        return False
    return (output.read_state(DONE) or {}).get("fingerprint") != job.fingerprint


def survey_was_made(job: Job, output: Output) -> bool:
    """Was the pass of this job handed to a runner? Call it when what was handed in has ended well."""
    return (output.read_state(STARTED) or {}).get("fingerprint") == job.fingerprint


def finish_survey(job: Job, output: Output) -> None:
    """Note that the pass of this job is complete."""
    output.write_state(DONE, {"fingerprint": job.fingerprint})
    remove_file(output.state(STARTED))


def has_rows(output: Output) -> bool:
    """Has a pass written rows, from which the next one continues?"""
    return first_name(output.state(FOLDER, "rows")) is not None


def plan_survey(job: Job, output: Output) -> SurveyPlan:
    """Write the tasks of the whole input to a temporary file, and forget the verdicts of an earlier pass.

    The rows of an earlier pass stay, unless that was stopped before it was planned, and had other settings.
    """
    settings = digest({name: value for name, value in job.identity.items() if not is_of_source(name)})
    if not output.is_ours() and (output.read_state(STARTED) or {}).get("settings") != settings:
        remove_tree(output.state(FOLDER, "rows"))
    remove_file(output.state(DONE))
    output.write_state(STARTED, {"fingerprint": job.fingerprint, "settings": settings})
    remove_tree(output.state(FOLDER, "verdicts"))
    path = output.tmp(f"survey-{uuid.uuid4().hex}.jsonl")
    places, inputs, exact = [], 0, True
    with create_file(path) as stream:
        for task, place in spool(job.tasks(), stream, path):
            places.append(place)
            inputs += task.samples
            exact = exact and task.exact
    return SurveyPlan(path, places, inputs, exact)


def survey_spec(job: Job, output: Output, plan: SurveyPlan, signals: str | None) -> SurveySpec:
    """The settings of the stages of a pass."""
    return SurveySpec(output.state(FOLDER), job.whole, plan.inputs // PART + 1, signals)


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
