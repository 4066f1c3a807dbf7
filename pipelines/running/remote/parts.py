"""Run a job on a Flink cluster as many small Flink jobs, each on one slot, and more as slots become free.

A Flink job that loses a TaskManager makes again whatever was stored there, and restarts everything that reads
it. In a Beam batch job that is every making subtask, because each reads its tasks from all TaskManagers. Jobs
of one slot read nothing from others, so a loss restarts only what ran there.
"""

from __future__ import annotations

import logging
import threading
import time
import uuid
from collections.abc import Callable, Sequence
from math import ceil
from typing import Any

import apache_beam as beam
from apache_beam.options.pipeline_options import (
    FlinkRunnerOptions,
    GoogleCloudOptions,
    PipelineOptions,
    PortableOptions,
)
from apache_beam.runners.runner import PipelineState

from pipelines.running.engine import RunnerChoice
from pipelines.running.pipeline import CANCEL_SECONDS, Counters
from pipelines.running.remote import flink, job
from pipelines.running.remote.job import RemoteJob, has_ended, still_running
from pipelines.running.remote.staging import staged_files
from pipelines.running.watch.signals import Signals

LOG = logging.getLogger(__name__)
LOOK_SECONDS = 0.5
KNOWN_SECONDS = 60.0  # for the job server to hand a part to the JobManager
LAST = 999_999  # the number of the part that folds the tables
MOST_AT_ONCE = 64  # Flink jobs at a time; on a larger cluster each takes several slots

Build = Callable[[PipelineOptions], beam.Pipeline]


def slots_of(choice: RunnerChoice) -> int:
    """Flink's slots for a job that can be submitted in parts; 0 for any other job.

    Parts need a cluster, and a job server that stays up: the runner would start another one for each.
    """
    options = choice.options
    portable = options.view_as(PortableOptions)
    own = options.view_as(FlinkRunnerOptions)
    if not str(choice.runner).endswith(flink.RUNNER) or own.flink_master.startswith("["):
        return 0
    if portable.job_endpoint in (None, "", "embed") or portable.environment_type == "LOOPBACK":
        return 0
    if own.parallelism > 1:
        return own.parallelism
    return 0


def slots_per_part(slots: int) -> int:
    """The number of slots of each part of a job on so many slots."""
    return ceil(slots / MOST_AT_ONCE)


class PartsRun(threading.Thread):
    """The parts of a job: submitted, followed and cancelled. It is used as `PipelineRun` is.

    `parts` build a pipeline each. `last` builds one that runs on all slots once every part is done.
    """

    def __init__(self, parts: Sequence[Build], choice: RunnerChoice, last: Build | None = None) -> None:
        super().__init__(name="parts", daemon=True)
        slots = slots_of(choice)
        self._slots, self._at_once = slots, min(slots, MOST_AT_ONCE)
        self._slots_each = slots_per_part(slots)
        self._waiting = list(enumerate(parts))
        self._last, self._choice = last, choice
        self._name = f"{choice.options.view_as(GoogleCloudOptions).job_name}-{uuid.uuid4().hex[:6]}"
        master = choice.options.view_as(FlinkRunnerOptions).flink_master
        self._flink = flink.FlinkJob(self._name, master)
        self.remote: RemoteJob | None = RemoteJob(flink.RUNNER, self._name, {"flink_master": master})
        self._results: dict[str, Any] = {}  # name of a part that has not ended -> Beam's result
        self._counters = Counters()
        self._stopping = threading.Event()
        self._full = threading.Event()  # no further part is submitted
        self.error: BaseException | None = None
        self.ended = threading.Event()

    def submit(self) -> None:
        """Submit one part per slot, and wait until the JobManager knows them."""
        try:
            self._fill()
            end = time.monotonic() + KNOWN_SECONDS
            while self._results.keys() - self._states().keys() and time.monotonic() < end:
                time.sleep(LOOK_SECONDS)
        except Exception as error:
            self.error = error

    def submit_no_more(self) -> None:
        """Submit no further part. Safe in a signal handler."""
        self._full.set()

    def run(self) -> None:
        """The body of the thread; what it raises is kept in `error`."""
        try:
            if self.error is not None:  # some parts may have been submitted
                self._end_all()
            else:
                self._follow()
        except BaseException as error:
            self.error = self.error or error
        finally:
            self.ended.set()

    def stop(self, signals: Signals | None) -> bool:
        """Cancel every part and wait until they have ended.

        A second Ctrl-C ends the waiting. Returns whether all have ended.
        """
        LOG.info("stopping ... (Ctrl-C again to stop at once)")
        try:
            self._full.set()
            self._stopping.set()
            return self.ended.wait(CANCEL_SECONDS)
        except KeyboardInterrupt:
            return False

    def counters(self) -> dict[str, int | float]:
        """Beam's counters and distributions over all parts."""
        return self._counters.values()

    def _follow(self) -> None:
        """Look after the parts until the last one has ended. A runner that does not answer is asked again."""
        silent_since: float | None = None
        while self._results or self._waiting or self._last is not None:
            try:
                failure = self._step()
                silent_since = None
            except Exception as error:  # clients raise what they like
                failure = None
                now = time.monotonic()
                silent_since = silent_since or now
                if now - silent_since > job.PATIENCE_SECONDS and self.remote is not None:
                    why = f"the runner does not answer ({type(error).__name__}: {error})"[:200]
                    raise still_running(self.remote, 1, f"{why}; ") from error
            if failure is not None:
                self.error = RuntimeError(failure)  # an error while the others end must not replace it
                self._end_all()
                return
            self._rest()

    def _rest(self) -> None:
        """Wait for the next look. A stop is heeded at once."""
        if self._stopping.is_set():
            time.sleep(LOOK_SECONDS)
        else:
            self._stopping.wait(LOOK_SECONDS)

    def _step(self) -> str | None:
        """Take the parts that have ended, and submit others in their places. Returns why one failed."""
        if self._stopping.is_set():
            self._waiting.clear()
            self._last = None
            self._flink.cancel()
        failed = None
        for name, state in self._states().items():
            if name in self._results and has_ended(state):
                if state == PipelineState.FAILED and not self._stopping.is_set():
                    failed = self._flink.failure() or f"{name} failed"
                self._counters.add(self._results.pop(name))
        if failed is None:
            self._fill()
        return failed

    def _end_all(self) -> None:
        """Cancel the parts that still run, and wait for them a little: another run would meet them."""
        self._waiting.clear()
        end = time.monotonic() + CANCEL_SECONDS
        while self._results and time.monotonic() < end:
            self._flink.cancel()
            states = self._states()
            running = {
                name for name in self._results if not has_ended(states.get(name, PipelineState.RUNNING))
            }
            self._results = {name: self._results[name] for name in running}
            time.sleep(LOOK_SECONDS)

    def _states(self) -> dict[str, str]:
        """The state of each part, by the JobManager; by the job server until the JobManager knows it."""
        states = self._flink.parts()
        for name, result in self._results.items():
            if name not in states:
                state = str(result.state)
                if has_ended(state):
                    states[name] = state
        return states

    def _fill(self) -> None:
        while self._waiting and len(self._results) < self._at_once and not self._full.is_set():
            self._submit(*self._waiting[0], self._slots_each)
            self._waiting.pop(0)
        if self._last is not None and not self._waiting and not self._results and not self._full.is_set():
            self._submit(LAST, self._last, self._slots)
            self._last = None

    def _submit(self, number: int, build: Build, slots: int) -> None:
        name = flink.part_name(self._name, number)
        own = [f"--job_name={name}", f"--parallelism={slots}"]
        pipeline = build(PipelineOptions([*self._choice.arguments, *own]))
        with staged_files():
            self._results[name] = pipeline.run()
