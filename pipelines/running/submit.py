"""Runs a job from its plan to its tables: lock, resume, graph, progress, stop, end check.

Shared by every command.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Collection, Mapping, Sequence
from contextlib import nullcontext, suppress
from dataclasses import dataclass, field, replace

from pipelines.estimate import long_task
from pipelines.making.maker import Sharing
from pipelines.making.task import output_error
from pipelines.output.aside import keep_aside
from pipelines.output.commit import clean
from pipelines.output.finish import Totals, finish, finished_totals, forget_finished
from pipelines.output.folder import Output
from pipelines.output.growth.plan import open_plan
from pipelines.output.job import Job
from pipelines.output.listing import Listing, is_finished, list_output
from pipelines.output.lock import output_lock
from pipelines.output.prepare import Prepared, check_output, prepare_output, remove_ours
from pipelines.output.tables.parts import Part, TaskCount, forget_parts, tasks_per_part
from pipelines.output.tables.places import has_tables, parts_due
from pipelines.result import RunResult
from pipelines.running.engine import RunnerChoice, choose_runner
from pipelines.running.graph import JobSpec
from pipelines.running.launch import start_run, start_survey
from pipelines.running.missing import Missing, spool_missing
from pipelines.running.options import check_endpoints
from pipelines.running.remote.attach import attach, say_set_aside
from pipelines.running.remote.job import read_kept
from pipelines.running.remote.sizes import least_tasks
from pipelines.running.survey import (
    finish_survey,
    has_rows,
    plan_survey,
    survey_due,
    survey_spec,
    survey_was_made,
)
from pipelines.running.watch.follow import follow
from pipelines.running.watch.progress import Progress
from pipelines.running.watch.signals import signals_of_job
from schemas.errors import ConfigError, JobError
from schemas.text import counted
from storage.folders import first_name, is_local_folder
from storage.locks.lock import Lock
from storage.read import file_exists
from storage.write import remove_empty_folder

LOG = logging.getLogger(__name__)
LOOK_SECONDS = 0.2
FOLDED_HERE = 8  # parts of the tables, if no task is missing; more are worth the start of a cluster
LISTED_SECONDS = 30.0  # for a store's listing to tell of every record


def run_job(
    job: Job,
    output: Output,
    *,
    workers: int | None,
    overwrite: bool,
    max_failure_ratio: float,
    beam_args: Sequence[str] = (),
    detach: bool = False,
) -> RunResult:
    """Make what is missing in the output and bring its tables up to date.

    `detach` leaves as soon as a remote runner has the job. Raises ConfigError (another job or config there)
    and StillRunningError (the job runs on without this process). JobError (it cannot continue) and
    KeyboardInterrupt (stopped) leave the output as far as it came.
    """
    start = time.monotonic()
    check_output(output, job, overwrite=overwrite)
    choice = choose_runner(beam_args, workers, job.device)
    if detach and choice.is_local:
        raise ConfigError("--detach: a job on this machine ends with its command; give another --runner")
    if isinstance(job.maker, Sharing):
        job = replace(job, maker=job.maker.shared_by(choice.processes, choice.describe()))
    check_endpoints(choice.options)
    was_empty = not output.is_ours() and first_name(output.uri) is None
    was_there = is_local_folder(output.uri)
    try:
        with output_lock(output) as lock:
            made, totals = _run_locked(job, output, lock, choice, overwrite=overwrite, detach=detach)
    except OSError as error:
        raise output_error(error, output.uri) from error
    finally:
        if was_empty and not output.is_ours():
            _tidy(output, was_there=was_there)
    return RunResult(
        output=output.uri,
        totals=totals,
        written=made.written,
        failed=made.failed,
        resumed=totals.written - made.written,
        seconds=time.monotonic() - start,
        max_failure_ratio=max_failure_ratio,
        runner=choice.describe(),
        throughput=made.throughput,
        counters=made.counters,
    )


def _run_locked(
    job: Job, output: Output, lock: Lock, choice: RunnerChoice, *, overwrite: bool, detach: bool
) -> tuple[_MadeNow, Totals]:
    """Run the job while this process holds the output. Returns what it made, and the totals of the output."""
    check_output(output, job, overwrite=overwrite)  # it may have changed while we waited for nothing
    # First of all: temporary files may belong to a job that still runs on a cluster.
    attached = attach(output, overwrite=overwrite)
    prepared = prepare_output(output, job, overwrite=overwrite)
    try:
        _survey(job, output, choice, detach, attached=attached)
        made = _make_missing(job, output, prepared, choice, detach)
        if lock.lost:
            raise JobError(
                f"{output.uri}: another job took the output over while this one was silent, and is running"
            )
        totals = finished_totals(output, job.config, made.listing)
        if totals is None:
            totals = finish(
                output, job.config, published=prepared.published, listing=made.listing, seen=made.add
            )
    finally:
        # A job that runs on needs its plan and its temporary files.
        if not lock.lost and read_kept(output) is None:
            _clean_up(output)
            if not prepared.before:
                _remove_unplanned(output)
    return made, totals


@dataclass
class _MadeNow:
    """Counts of the tasks that the graph made in this run."""

    listing: Listing  # of the output after it
    before: Collection[int]  # tasks that were done before
    throughput: tuple[float, tuple[int, ...]] = (0.0, ())
    counters: Mapping[str, int | float] = field(default_factory=dict)
    written: int = 0
    failed: int = 0

    def add(self, count: TaskCount) -> None:
        """Count a task if this run made it."""
        if count.task not in self.before:
            self.written, self.failed = self.written + count.written, self.failed + count.failed


def _survey(job: Job, output: Output, choice: RunnerChoice, detach: bool, *, attached: bool) -> None:
    """Run the pass over the whole input that filters of the job need, unless it is complete.

    `attached`: this process has waited for a job that ended well. That may have been the pass.
    """
    if not survey_due(job, output):
        return
    if attached and survey_was_made(job, output):
        finish_survey(job, output)
        return
    plan = plan_survey(job, output)
    names = ", ".join(rule.label for rule in job.whole)
    LOG.info(f"{names}: a pass over {counted(plan.inputs, 'input')} first; {choice.describe()}")
    with signals_of_job() if choice.is_local else nullcontext() as signals:
        spec = survey_spec(job, output, plan, signals.name if signals else None)
        run = start_survey(plan.places, job, spec, choice)
        progress = Progress(plan.inputs, exact=plan.exact)
        try:
            follow(run, choice, progress, output, signals, detach)
        finally:
            progress.close()
    finish_survey(job, output)


def _make_missing(
    job: Job, output: Output, prepared: Prepared, choice: RunnerChoice, detach: bool
) -> _MadeNow:
    listing, done = prepared.listing, prepared.listing.done
    plan = open_plan(
        job, output, prepared.before, files=listing.inputs, retries=listing.retries, done=listing.done
    )
    missing = spool_missing(plan, done)
    prepared.write_job(output, job)
    if plan.new_tasks:
        added = f"{counted(plan.new_inputs, 'new input')} in {counted(plan.new_tasks, 'task')}"
        LOG.info(f"the source has grown: {added}; {counted(missing.planned - plan.new_tasks, 'task')} kept")
    expected = {*done, *missing.numbers}
    size = tasks_per_part(job.config)
    forget_parts(output, listing, missing.numbers, size)
    folded = choice.is_local or (not missing.places and has_tables(listing) and is_finished(listing))
    due: list[Part] = []
    if not folded:
        due = parts_due(output, listing, expected, size)
    if not missing.places and len(due) <= FOLDED_HERE:
        words = f"nothing is missing: {counted(len(done), 'task')} done"
        if job.is_retry:
            words = "nothing to retry"
        LOG.info(words)
        return _MadeNow(listing, done)
    # Before the first task: after a kill nobody may take the old tables for those of the new shards.
    forget_finished(output)
    already = ""
    if done:
        already = f", {counted(len(done), 'task')} done before"
    LOG.info(f"{missing}{already}; {choice.describe()}")
    inputs, task = missing.longest
    if job.makes_clips and (warning := long_task(task, inputs, choice.workers)):
        LOG.warning(warning)
    curve, counters = _make(missing, due, job, output, choice, detach)
    say_set_aside(keep_aside(output))
    return _MadeNow(_await_records(output, expected), done, curve, counters)


def _make(
    missing: Missing, due: Sequence[Part], job: Job, output: Output, choice: RunnerChoice, detach: bool
) -> tuple[tuple[float, tuple[int, ...]], Mapping[str, int | float]]:
    """Run the pipeline. Returns the curve of its throughput, and its counters."""
    with signals_of_job() if choice.is_local else nullcontext() as signals:
        spec = JobSpec(
            output.uri,
            job.fingerprint,
            job.shard,
            signals.name if signals else None,
            # A task has two batches ahead, which keep one GPU busy; one more task bridges the end of another.
            max(job.tasks_at_once, len(choice.rendering.devices) + 1),
            replaceable=choice.replaces_workers,
            retries=choice.retries,
            max_failed_tasks=job.max_failed_tasks,
        )
        least = least_tasks(missing.inputs, len(missing.places), choice.workers)
        run = start_run(missing.places, due, job, spec, choice, least=least, spread=not detach)
        progress = Progress(missing.inputs, exact=missing.exact)
        try:
            counters = follow(run, choice, progress, output, signals, detach)
        finally:
            progress.close()
    return (progress.throughput.bucket_seconds, tuple(progress.throughput.counts)), counters


def _clean_up(output: Output) -> None:
    """Remove temporary files at the end of a run, as far as the store lets us. The next run does the rest."""
    try:
        clean(output)
    except (OSError, ValueError) as error:
        LOG.debug("%s: temporary files are left: %s", output.uri, error)


def _remove_unplanned(output: Output) -> None:
    """Leave nothing of a new output that was not even planned, except for the rows of a stopped pass."""
    if not file_exists(output.state("plan.json")) and not has_rows(output):
        remove_ours(output, list_output(output))


def _await_records(output: Output, expected: set[int]) -> Listing:
    """List the output until every record is there.

    The tables are made from a listing, and a store may give an outdated one.
    """
    end = time.monotonic() + LISTED_SECONDS
    while missing := expected - (listing := list_output(output)).done:
        if time.monotonic() > end:
            raise JobError(
                f"output {output.uri}: the pipeline has ended, but {len(missing)} of its {len(expected)} "
                f"tasks have no record "
                f"(the first is {min(missing)}); run the same command again"
            )
        time.sleep(LOOK_SECONDS)
    return listing


def _tidy(output: Output, *, was_there: bool) -> None:
    """After a start that came to nothing: leave no empty folders, but the output's own if it was there."""
    folders = [output.state("tmp"), output.state()]
    if not was_there:
        folders.append(output.uri)
    with suppress(OSError):  # the error of the start says more
        for folder in folders:
            remove_empty_folder(folder)
