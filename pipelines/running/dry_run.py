"""`--dry-run`: what a job would do, printed. Reads the source's index and a few inputs; writes nothing."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from pipelines.output.folder import Output
from pipelines.output.prepare import Job, check_output
from schemas.errors import ConfigError
from schemas.records import Task
from schemas.text import counted, human_bytes

LOOKED_AT = 5  # inputs of the first task whose keys are shown


@dataclass(frozen=True)
class Glimpse:
    """What a look at the first inputs shows."""

    keys: list[str]
    sample_bytes: float | None  # mean bytes of a sample in a shard; None: nothing at hand to make one of


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
) -> int:
    """Print the plan and return 0. Raises ConfigError for what the run itself would refuse.

    source, store, runner: a few words each. look: at a first task. known_failures: inputs of a task that will surely fail.
    """
    check_output(output, job, overwrite=overwrite)
    done = set() if overwrite else output.done()
    tasks = samples = left = failing = 0
    exact, first = True, None
    for task in job.tasks():
        first = first or task
        tasks, samples, exact = tasks + 1, samples + task.samples, exact and task.exact
        left += task.index not in done
        failing += known_failures(task) if known_failures else 0
    if first is None:
        raise ConfigError("source: it holds no inputs; check its path and source.limit")
    glimpse = look(first)
    size = glimpse.sample_bytes
    total = (
        f"about {human_bytes(size * (samples - failing))} ({human_bytes(size)} a sample)"
        if size
        else "size unknown"
    )
    will_fail = f", {failing} of them without a file or captions" if failing else ""
    print(f"source   {source}: {'' if exact else 'about '}{counted(samples, 'input')}{will_fail}")
    print(f"output   {output.uri}: {counted(tasks, 'task')} (a shard each), {left} to be made")
    print(f"store    {store}, {total}")
    print(f"runner   {runner}")
    print(f"keys     {', '.join(glimpse.keys)}{', ...' if samples > len(glimpse.keys) else ''}")
    print("dry run: nothing was written")
    return 0
