"""Plan a job into an output: the whole source, or the known inputs and then the new ones.

The tasks of a growth follow all others, also those of retries, so that no existing task changes. There is one
exception. If the limit of an output without retries is raised, its last task is made again
(`pipelines.output.prepare.tasks_again`). The tasks are then numbered as in a job that never had a limit.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from pipelines.output.folder import Output
from pipelines.output.growth.inputs import InputsWriter, read_segments, segments_of
from pipelines.output.job import LIMIT, Job, differences, has_grown, is_of_files, is_of_source
from pipelines.output.retries import read_retries
from pipelines.sources.base import Source
from pipelines.sources.growth.known import Known, Segment, marks_table
from schemas.errors import ConfigError
from schemas.records import Task
from schemas.text import counted

PLAN = "plan.json"


@dataclass
class JobPlan:
    """The tasks of a job in an output."""

    job: Job
    output: Output
    known: Known | None = None  # None: the source is planned as a whole
    files: Sequence[str] = ()  # names of the files of marks that are there
    is_stale: bool = False  # those files are of an earlier plan, which this one replaces
    # first task of a segment -> its tasks, once planned
    counts: Counter[int] = field(default_factory=Counter)
    new_tasks: int = 0  # of a growth, once planned
    new_inputs: int = 0

    @property
    def _starts(self) -> list[int]:
        if self.known is None:
            return [0]
        return [*(segment.first for segment in self.known.segments), self.known.next]

    def tasks(self) -> Iterator[Task]:
        """Yield all tasks in order, and count them.

        Raises ConfigError if the source has changed otherwise than by growing.
        """
        self.counts, starts = Counter(), self._starts
        self.new_tasks = self.new_inputs = 0
        for task in self._planned():
            first = starts[bisect_right(starts, task.index) - 1]
            self.counts[first] += 1
            if self.known is not None and first == self.known.next:
                self.new_tasks += 1
                self.new_inputs += task.samples
            yield task
        if self.known is None:
            return
        for segment in self.known.segments:
            if self.counts[segment.first] != segment.tasks:
                raise ConfigError(
                    f"output {self.output.uri}: its {counted(segment.tasks, 'task')} from number "
                    f"{segment.first} on are now {self.counts[segment.first]}: the source has changed "
                    "otherwise than by inputs that are added; give a new output"
                )

    def _planned(self) -> Iterator[Task]:
        if self.known is None or self.job.source is None:
            return self.job.tasks()
        return self.job.source.plan_from(self.known)

    def writer(self) -> InputsWriter | None:
        """The writer of the marks of the segment that has no file yet; None if each has one."""
        if self.job.is_retry or (self.known is None and self.files and not self.is_stale):
            return None
        return InputsWriter(self.output, self._starts[-1])

    def keep(self, writer: InputsWriter | None) -> None:
        """Write the marks, then the number of tasks. Called after planning."""
        if self.known is not None and not self.files:  # an earlier version kept no marks
            for segment in self.known.segments:
                write_segment(self.output, segment)
        if writer is not None:
            files: Sequence[str] = ()
            if self.is_stale:
                files = self.files
            writer.keep(files)
        values: dict[str, Any] = {"tasks": self.counts.total()}
        if len(self.counts) > 1:
            values["segments"] = sorted(self.counts.items())
        self.output.write_state(PLAN, values)


def write_segment(output: Output, segment: Segment) -> None:
    """Write the marks of a segment under its name."""
    writer = InputsWriter(output, segment.first)
    if segment.tasks:  # the first one carries the marks of all
        writer.add(Task(0, segment.inputs, {}, marks=tuple(segment.pairs())))
    for number in range(1, segment.tasks):
        writer.add(Task(number, 0, {}))
    writer.keep()


def may_grow(before: Mapping[str, Any], job: Job) -> bool:
    """Could the differences from an earlier job come from inputs that were added? Planning finds out."""
    old = before.get("identity", {})
    if job.is_retry or job.source is None or not job.source.can_grow:
        return False
    names = {*old, *job.identity}
    changed = {name for name in names if old.get(name) != job.identity.get(name)}
    files = {name for name in changed if is_of_source(name) and is_of_files(name, names)}
    if not changed <= {*files, LIMIT}:
        return False
    return LIMIT not in changed or has_grown({LIMIT: old.get(LIMIT)}, {LIMIT: job.identity.get(LIMIT)})


def extends_last_task(before: Mapping[str, Any], job: Job, files: Collection[str], retries: bool) -> bool:
    """Does a raised limit alone extend an output of one segment, without retries?"""
    if job.is_retry or retries or len(files) > 1:
        return False
    return has_grown(before.get("identity", {}), job.identity)


def open_plan(
    job: Job,
    output: Output,
    before: Mapping[str, Any],
    *,
    files: Sequence[str],
    retries: Sequence[str],
    done: Collection[int],
) -> JobPlan:
    """The plan of a job in an output that holds the job `before`; an empty mapping for a new output.

    files, retries: names in the folders of marks and of retry plans. done: tasks that have a record. Raises
    ConfigError if the source is neither as it was nor grown.
    """
    if not before or job.is_retry or job.source is None or not job.source.can_grow:
        return JobPlan(job, output, files=files)
    if extends_last_task(before, job, files, bool(retries)):
        return JobPlan(job, output, files=files, is_stale=True)
    differing = differences(before.get("identity", {}), job.identity)
    if not differing and (not files or (len(files) == 1 and not retries)):
        return JobPlan(job, output, files=files)
    segments = read_segments(output, files) or [_of_earlier_version(job, output, before, differing)]
    runs = read_retries(output, retries).runs
    ends = [first + tasks for first, tasks in segments_of(files)]
    ends += [retry + length for retry, _, length in runs]
    ends += [segment.first + segment.tasks for segment in segments]
    known = Known(tuple(segments), max([*ends, *(task + 1 for task in done)]), strict=bool(differing))
    return JobPlan(job, output, known, files)


def _of_earlier_version(
    job: Job, output: Output, before: Mapping[str, Any], differing: Sequence[str]
) -> Segment:
    """The plan of an output that kept no marks, if its files are the first ones of the source."""
    old = before.get("identity", {})
    limit, files = old.get(LIMIT), old.get("source.files")
    assert job.source is not None  # noqa: S101 - checked by the caller
    source: Source = job.source.as_before(limit, files)
    now = {name: value for name, value in old.items() if is_of_source(name)}
    if differences(now, {f"source.{name}": value for name, value in source.fingerprint().items()}):
        raise refusal(output, differing)
    tasks = list(source.plan())
    source.close()
    marks = marks_table(mark for task in tasks for mark in task.marks)
    return Segment(0, len(tasks), sum(task.samples for task in tasks), marks)


def refusal(output: Output, differing: Sequence[str]) -> ConfigError:
    """The error for an output that was started with another config, whose differences are given in words."""
    where = f"output {output.uri}: started with another config: {'; '.join(differing)}"
    is_other_kind = any(name.startswith("source.kind ") for name in differing)
    if all(name.startswith("source") for name in differing) and not is_other_kind:
        return ConfigError(
            f"{where}; `zoetrope retry {output.uri}` makes its failed inputs again from the source as it is "
            "now; or give another output, or overwrite=true"
        )
    return ConfigError(f"{where}; give the same config, another output, or overwrite=true")
