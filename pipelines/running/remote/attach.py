"""Attach to the job that an earlier command left running in an output, instead of starting a second one."""

from __future__ import annotations

import logging
import time

from apache_beam.runners.runner import PipelineState

from pipelines.output.aside import ATTEMPTS, keep_aside
from pipelines.output.folder import RUNNING, Output
from pipelines.output.records import done_tasks
from pipelines.running.pipeline import CANCEL_SECONDS, job_error
from pipelines.running.remote.job import (
    Handle,
    RemoteJob,
    error_in_short,
    follow,
    forget,
    has_ended,
    open_job,
    read_kept,
    still_running,
)
from schemas.errors import ConfigError, StillRunningError, StopRequestedError, TerminatedError
from schemas.text import counted, first_few

SAY_SECONDS = 10.0
LOG = logging.getLogger(__name__)
STOPPED = 130  # exit code after a signal


def attach(output: Output, *, overwrite: bool) -> bool:
    """Wait until no job of an earlier command runs in this output. Call it under the output's lock.

    Returns whether there was such a job and it has ended well. Raises ConfigError if `overwrite` would remove
    a running job's files, and JobError if that job failed. Raises StillRunningError if it cannot be followed
    or this process is terminated, and StopRequestedError after Ctrl-C.
    """
    job = read_kept(output)
    if job is None:
        return False
    if overwrite:
        refuse_running(output, "cancel that job, or drop overwrite=true")
        forget(output)
        return False
    LOG.info(f"attached to {job}")
    try:
        state, handle = follow(job, _ProgressLines(output).look)
    except StillRunningError as error:  # the runner does not answer
        raise StillRunningError(f"{error}; {_if_gone(output)}", error.exit_code) from error
    except TerminatedError:
        raise still_running(job, STOPPED) from None
    except KeyboardInterrupt:
        raise StopRequestedError(_cancel(output, job)) from None
    reason = ""
    if state == PipelineState.FAILED:
        reason = _failure(handle)
    forget(output)
    if state == PipelineState.DONE:
        say_set_aside(keep_aside(output))
    if state == PipelineState.FAILED:
        raise job_error(RuntimeError(reason or f"{job} failed"))
    return state == PipelineState.DONE


def _failure(handle: Handle) -> str:
    """The runner's words on why a job failed; "" if it has none any more."""
    try:
        return handle.failure()
    except Exception as error:  # clients raise what they like, and the job has ended
        LOG.debug("the runner does not say why the job failed: %s", error)
        return ""


def say_set_aside(tasks: list[int]) -> None:
    """Say which tasks were set aside."""
    if tasks:
        named = first_few(tasks)
        LOG.warning(
            f"{counted(len(tasks), 'task')} failed {ATTEMPTS} times and became failures `task_failed` "
            f"(task {named}); `zoetrope retry` makes them again"
        )


def refuse_running(output: Output, remedy: str) -> None:
    """Raise ConfigError if a job of an earlier command still writes to this output, or may do so."""
    job = read_kept(output)
    if job is None:
        return
    try:
        ended = has_ended(open_job(job).state())
    except Exception as error:  # clients raise what they like
        raise ConfigError(
            f"output {output.uri}: {job} may still write to it, and its runner does not answer "
            f"({error_in_short(error)}); try again once it does; {_if_gone(output)}"
        ) from error
    if not ended:
        raise ConfigError(f"output {output.uri}: {job} writes to it; {remedy}")


def _if_gone(output: Output) -> str:
    """The remedy for a job whose runner does not exist any more."""
    return f"if that runner is gone for good, remove {output.state(RUNNING)}"


def _cancel(output: Output, job: RemoteJob) -> bool:
    """Cancel a job and wait for it. Returns whether it has ended."""
    LOG.info(f"cancelling {job} ... (Ctrl-C again to leave it)")
    try:
        open_job(job).cancel()
        end = time.monotonic() + CANCEL_SECONDS
        while not has_ended(open_job(job).state()):
            if time.monotonic() > end:
                return False
            time.sleep(1.0)
    except KeyboardInterrupt:
        return False
    except Exception as error:  # clients raise what they like
        LOG.warning(f"the runner could not cancel: {error}")
        return False
    forget(output)
    return True


class _ProgressLines:
    """Says now and then how many tasks are done."""

    def __init__(self, output: Output) -> None:
        self._output = output
        self._next = 0.0

    def look(self) -> None:
        """Say it, if the time has come."""
        if time.monotonic() < self._next:
            return
        self._next = time.monotonic() + SAY_SECONDS
        try:
            plan = self._output.read_plan()
            if plan is None or not plan.tasks:  # it is the pass over the whole input
                return
            done = len(done_tasks(self._output))
        except (OSError, ValueError) as error:  # the job runs on, and meets what is wrong itself
            LOG.debug("the records cannot be listed now: %s", error)
            return
        LOG.info(f"{done} of {counted(plan.tasks, 'task')} done")
