"""The tasks of a plan that an output lacks."""

from __future__ import annotations

import uuid
from collections.abc import Collection
from dataclasses import dataclass, field

from pipelines.making.task import inputs_of
from pipelines.output.growth.plan import JobPlan
from pipelines.output.job import TaskAt, spool
from schemas.errors import ConfigError
from schemas.text import counted
from storage.write import create_file


@dataclass
class Missing:
    """The tasks of a plan that are not done."""

    places: list[TaskAt] = field(default_factory=list)
    numbers: set[int] = field(default_factory=set)
    planned: int = 0  # tasks of the plan, with those that are done
    inputs: int = 0
    exact: bool = True
    longest: tuple[int, int] = (0, 0)  # (inputs, task)

    def __str__(self) -> str:
        inputs = counted(self.inputs, "input")
        if not self.exact:
            inputs = f"about {inputs}"
        return f"{counted(len(self.places), 'task')}, {inputs}"


def spool_missing(plan: JobPlan, done: Collection[int]) -> Missing:
    """Write the plan to a temporary file, and keep how many tasks it has and what they were planned from."""
    job, output = plan.job, plan.output
    path = output.tmp(f"plan-{uuid.uuid4().hex}.jsonl")
    missing = Missing()
    writer = plan.writer()
    with create_file(path) as stream:
        for task, place in spool(plan.tasks(), stream, path):
            missing.planned += 1
            if writer is not None and task.index >= writer.first:
                writer.add(task)
            if task.index not in done:
                missing.inputs += inputs_of(task)
                missing.exact = missing.exact and task.exact
                missing.longest = max(missing.longest, (inputs_of(task), task.index))
                missing.places.append(place)
                missing.numbers.add(task.index)
    if not missing.planned and not job.is_retry:
        raise ConfigError("source: it holds no inputs; check its path and source.limit")
    if not job.is_retry:
        plan.keep(writer)
    return missing
