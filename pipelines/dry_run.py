"""A job before it runs: what it would read, make and write.

Reads the source's index and a few inputs; writes nothing.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Self

from pipelines.estimate import long_task
from pipelines.making.maker import Made
from pipelines.output.folder import Output
from pipelines.output.growth.plan import JobPlan, open_plan
from pipelines.output.job import Job
from pipelines.output.prepare import check_output, tasks_again
from pipelines.output.records import done_tasks
from schemas.errors import ConfigError
from schemas.records import Task
from storage.folders import list_names

LOG = logging.getLogger(__name__)
LOOKED_AT = 5  # inputs of the first task whose keys are shown


@dataclass(frozen=True)
class Glimpse:
    """The first inputs of a job."""

    keys: list[str]
    sample_bytes: float | None  # mean bytes of a sample in a shard; None if no input is on this machine

    @classmethod
    def of(cls, keys: list[str], made: Sequence[Made]) -> Self:
        """The glimpse of inputs of which these were made on trial."""
        if not made:
            return cls(keys, None)
        return cls(keys, sum(len(sample.tar) for sample in made) / len(made))


@dataclass(frozen=True)
class Plan:
    """The work of a job, and how much of it is left."""

    source: str  # the kind of source, in a few words
    inputs: int
    exact: bool  # False if `inputs` is an estimate
    failing: int  # inputs that are known to fail
    output: str
    tasks: int
    left: int  # tasks that are not done yet
    store: str  # the store of a sample, in a few words
    sample_bytes: float | None  # mean bytes of a sample; None if unknown
    runner: str
    keys: tuple[str, ...]  # of the first inputs
    new_inputs: int = 0  # that the source has gained since the output was planned; the others are kept
    new_tasks: int = 0
    filters: str = ""  # in one line


def dry_run(
    job: Job,
    output: Output,
    look: Callable[[Task], Glimpse],
    *,
    source: str,
    store: str,
    runner: str,
    overwrite: bool = False,
    known_failures: Callable[[Task], int] | None = None,
    cores: int | None = None,
    filters: str = "",
) -> Plan:
    """The plan of a job. Raises ConfigError for everything that the run itself would refuse.

    source, store, runner, filters: a few words each. look: reads the first inputs of a task.
    known_failures: counts the inputs of a task that will surely fail. cores: of one worker, None if they are
    unknown.
    """
    check_output(output, job, overwrite=overwrite)
    plan, done = _open(job, output, overwrite=overwrite)
    count = _Count()
    for task in plan.tasks():
        count.add(task, is_done=task.index in done)
        if known_failures:
            count.failing += known_failures(task)
    if count.first is None:
        raise ConfigError("source: it holds no inputs; check its path and source.limit")
    inputs, number = count.longest
    if job.makes_clips and (warning := long_task(number, inputs, cores)):
        LOG.warning(warning)
    glimpse = look(count.first)
    return Plan(
        source=source,
        inputs=count.inputs,
        exact=count.exact,
        failing=count.failing,
        output=output.uri,
        tasks=count.tasks,
        left=count.left,
        store=store,
        sample_bytes=glimpse.sample_bytes,
        runner=runner,
        keys=tuple(glimpse.keys),
        filters=filters,
        new_inputs=plan.new_inputs,
        new_tasks=plan.new_tasks,
    )


@dataclass
class _Count:
    """The counts of a plan."""

    first: Task | None = None
    tasks: int = 0
    left: int = 0  # tasks that are not done
    inputs: int = 0
    failing: int = 0  # inputs that will surely fail
    exact: bool = True  # is the number of inputs no estimate?
    longest: tuple[int, int] = (0, 0)  # (inputs, task)

    def add(self, task: Task, *, is_done: bool) -> None:
        """Count a task."""
        self.first = self.first or task
        self.tasks += 1
        self.left += not is_done
        self.inputs += task.samples
        self.exact = self.exact and task.exact
        self.longest = max(self.longest, (task.samples, task.index))


def _open(job: Job, output: Output, *, overwrite: bool) -> tuple[JobPlan, set[int]]:
    """The plan of a job in an output, and the tasks that are done."""
    if overwrite or not output.is_ours():
        return JobPlan(job, output), set()
    done = done_tasks(output)
    files, retries = (list_names(output.state(name)) for name in ("inputs", "retries"))
    plan = open_plan(job, output, output.read_job(), files=files, retries=retries, done=done)
    return plan, done - tasks_again(output, job)
