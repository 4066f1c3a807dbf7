"""The tasks of a retry: a stream of failures, merged by the task of the plan that they came from.

Memory does not grow with the failures. They are read from the folded parts of an output, in the order of the
tasks, and one task's keys are held at a time.
"""

from __future__ import annotations

import heapq
from bisect import bisect_right
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import replace
from itertools import groupby
from operator import itemgetter
from typing import Any

from pipelines.output.aside import is_placeholder
from pipelines.output.finish import fold_missing
from pipelines.output.folder import Output
from pipelines.output.job import Job, task_from_row, task_to_row
from pipelines.output.listing import Listing
from pipelines.output.retries import Run, plans_left, read_retries, rows_of_plan, write_plan
from pipelines.output.tables.parts import plan_parts, read_heads, tasks_per_part
from pipelines.output.tables.places import find_rows
from schemas.manifest import FAILURES_FILE
from schemas.records import Task
from storage.tables import open_table

BATCH = 8192  # rows


def tasks_left(output: Output, done: Collection[int]) -> Iterator[Task]:
    """Yield the tasks of earlier retry plans that are not done. Plans that are done are not read."""
    for path in plans_left(output, done):
        for row in rows_of_plan(path):
            if row["index"] not in done:
                yield task_from_row(row)


class Failures:
    """The failures of an output whose tasks are all done. Records are folded first, where they are not."""

    def __init__(
        self,
        output: Output,
        job: Job,
        listing: Listing,
        planned: Sequence[tuple[int, int]] | None = None,
    ) -> None:
        """`planned` holds the segments of the plan, (first task, tasks); None for one that never grew.

        Raise OSError, and ValueError or ConfigError that names a damaged file.
        """
        self._planned = planned
        self._output, self._job, self._listing = output, job, listing
        self._size = tasks_per_part(job.config)
        self._retries = read_retries(output, listing.retries)
        self._parts = plan_parts(listing.done, self._retries, self._size)
        fold_missing(output, self._parts, listing)

    def inputs(self) -> int:
        """Inputs of the whole output."""
        return sum(count.inputs for head in read_heads(self._output, self._parts) for count in head.tasks)

    def write_plan(self, reasons: Collection[str]) -> int:
        """Write a plan of the failed keys, each task with the payload of the one that they came from.

        `reasons` limits it to failures of these reasons; all if empty. Returns the number of tasks.
        """
        first = max(self._listing.done) + 1
        rows = _plan_rows(self._job.tasks(), self._by_origin(reasons), first)
        return write_plan(self._output, f"{first:08d}", rows)

    def _by_origin(self, reasons: Collection[str]) -> Iterator[tuple[int, list[str]]]:
        """Yield (task of the plan, its failed keys) in order of the tasks."""
        runs = sorted(self._retries.runs)
        planned = self._planned
        if planned is None and runs:
            planned = [(0, runs[0][0])]
        elif planned is None:
            planned = [(0, max(self._listing.done) + 1)]
        own = ([(first, first, tasks)] for first, tasks in planned)
        streams = [self._of_runs(sequence, reasons) for sequence in (*own, *_ascending(runs))]
        for origin, group in groupby(heapq.merge(*streams, key=itemgetter(0)), key=itemgetter(0)):
            yield origin, [key for _, key in group]

    def _of_runs(self, runs: Sequence[Run], reasons: Collection[str]) -> Iterator[tuple[int, str]]:
        """Yield (task of the plan, failed key) of the failures of these tasks, in order."""
        starts = [run[0] for run in runs]
        for task, key, reason in self._rows(starts[0], runs[-1][0] + runs[-1][2]):
            if not reasons or reason in reasons:
                retry, origin, _ = runs[bisect_right(starts, task) - 1]
                yield origin + task - retry, key

    def _rows(self, first: int, stop: int) -> Iterator[tuple[int, str, str]]:
        """Yield (task, key, reason) of the failures of a range of tasks."""
        for part in self._parts:
            if part.tasks[0][0] >= stop or part.tasks[-1][1] <= first:
                continue
            path = find_rows(self._output, self._listing, part, FAILURES_FILE)
            assert path is not None  # noqa: S101 - every part was folded
            names = ["task", "key", "reason"]
            with open_table(path, names) as table:
                for batch in table.iter_batches(BATCH, columns=names):
                    if any(batch[name].null_count for name in names):
                        raise ValueError("a row of it lacks a value")
                    columns = (batch[name].to_pylist() for name in names)
                    yield from (row for row in zip(*columns, strict=True) if first <= row[0] < stop)


def _ascending(runs: Iterable[Run]) -> Iterator[list[Run]]:
    """Split runs where the origins begin again, at a new plan, and where other tasks are in between."""
    sequence: list[Run] = []
    for run in runs:
        if sequence:
            last = sequence[-1]
            if run[1] < last[1] + last[2] or run[0] != last[0] + last[2]:
                yield sequence
                sequence = []
        sequence.append(run)
    if sequence:
        yield sequence


def _plan_rows(
    tasks: Iterable[Task], failed: Iterator[tuple[int, list[str]]], index: int
) -> Iterator[dict[str, Any]]:
    """Yield the lines of a plan, from `index` on. `tasks` and `failed` are in order of the tasks."""
    wanted = next(failed, None)
    if wanted is None:
        return
    for task in tasks:
        while wanted is not None and wanted[0] < task.index:  # the source has lost this task
            wanted = next(failed, None)
        if wanted is None:
            return
        if wanted[0] == task.index:
            keys = None
            if not any(map(is_placeholder, wanted[1])):  # else its inputs could not be read: all of it
                keys = tuple(sorted(wanted[1]))
            again = replace(task, index=index, keys=keys)
            yield {**task_to_row(again), "origin": task.index}
            index += 1
