"""Follow a run: submit it, show its progress, stop it at Ctrl-C, and wait for its end."""

from __future__ import annotations

import logging
from collections.abc import Mapping

from pipelines.output.folder import Output
from pipelines.running.engine import RunnerChoice
from pipelines.running.pipeline import PipelineRun, job_error
from pipelines.running.remote.attach import STOPPED
from pipelines.running.remote.held import held_signals
from pipelines.running.remote.job import forget, keep, still_running
from pipelines.running.remote.parts import PartsRun
from pipelines.running.watch.progress import Progress, RecordsSeen
from pipelines.running.watch.signals import Signals
from schemas.errors import StillRunningError, StopRequestedError, TerminatedError

LOG = logging.getLogger(__name__)
LOOK_SECONDS = 0.2


def follow(
    run: PipelineRun | PartsRun,
    choice: RunnerChoice,
    progress: Progress,
    output: Output,
    signals: Signals | None,
    detach: bool,
) -> Mapping[str, int | float]:
    """Submit a run and show its progress until it ends. Returns its counters.

    `signals` is None for a remote runner; `detach` leaves as soon as that has the job. Raises JobError (it
    failed), StillRunningError (it runs on without this process), StopRequestedError (Ctrl-C).
    """
    if signals is not None:
        counts = signals.counts
        progress.main_reason = signals.main_reason
    else:
        counts = RecordsSeen(output).counts
    try:
        if not choice.is_local:
            _hand_in(run, output, detach)
        run.start()
        while not run.ended.wait(LOOK_SECONDS):
            progress.update(*counts())
    except KeyboardInterrupt as stop:
        if run.remote is not None and isinstance(stop, TerminatedError):
            raise still_running(run.remote, STOPPED) from None
        if run.ident is None:  # what was handed in is cancelled by the thread
            run.start()
        clean = run.stop(signals)
        if clean and run.remote is not None:
            forget(output)
        raise StopRequestedError(clean) from None
    if isinstance(run.error, StillRunningError):
        raise run.error
    if run.remote is not None:
        forget(output)
    progress.update(*counts())
    if run.error is not None:
        raise job_error(run.error) from run.error
    return run.counters()


def _hand_in(run: PipelineRun | PartsRun, output: Output, detach: bool) -> None:
    """Give the job to its runner. Ctrl-C is heard once its id is kept."""
    if run.remote is not None:  # a job of parts: its name is known before the first one is submitted
        keep(output, run.remote)
    with held_signals(run.submit_no_more):
        run.submit()
        _keep_remote(run, output, detach)


def _keep_remote(run: PipelineRun | PartsRun, output: Output, detach: bool) -> None:
    """Keep the id of a job that outlives this process, and leave it there if that is wanted."""
    if run.remote is None:
        if detach and run.error is None:
            LOG.info("--detach: this runner's jobs end with their command, so it waits")
        return
    keep(output, run.remote)
    if run.error is not None:
        return
    if detach:
        raise still_running(run.remote, 0)
    LOG.info(f"submitted {run.remote}")
