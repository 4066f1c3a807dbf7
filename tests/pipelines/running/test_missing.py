"""The tasks that an output lacks: their places in the spooled plan, and what is said of them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from tiny_job import tiny_job, tiny_tasks

from pipelines.output.folder import Output
from pipelines.output.growth.plan import JobPlan
from pipelines.running.missing import spool_missing
from schemas.errors import ConfigError
from schemas.records import Task


def plan_of(tasks: list[Task], folder: Path) -> JobPlan:
    return JobPlan(replace(tiny_job(), tasks=lambda: iter(tasks)), Output(str(folder)))


def test_tasks_that_are_not_done_are_read_back_from_their_places(tmp_path: Path) -> None:
    tasks = tiny_tasks(4, 5)
    missing = spool_missing(plan_of(tasks, tmp_path), {1, 3})
    assert [place.load().payload for place in missing.places] == [tasks[0].payload, tasks[2].payload]
    assert missing.numbers == {0, 2}
    assert (missing.planned, missing.inputs) == (4, 10)
    assert str(missing) == "2 tasks, 10 inputs"


def test_the_longest_task_is_among_the_missing_ones_and_a_guess_is_said_to_be_one(tmp_path: Path) -> None:
    sizes = [5, 90, 40, 7]
    tasks = [replace(task, samples=size) for task, size in zip(tiny_tasks(4, 5), sizes, strict=True)]
    tasks[3] = replace(tasks[3], exact=False)
    missing = spool_missing(plan_of(tasks, tmp_path), {1})
    assert missing.longest == (40, 2)
    assert str(missing) == "3 tasks, about 52 inputs"


def test_a_source_without_inputs_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="it holds no inputs; check its path"):
        spool_missing(plan_of([], tmp_path), set())
