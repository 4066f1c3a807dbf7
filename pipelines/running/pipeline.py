"""Run one Beam pipeline in a thread, stop it on every runner, and put its errors in one line.

The main thread is free to receive Ctrl-C.
"""

from __future__ import annotations

import logging
import re
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import apache_beam as beam
import grpc
from apache_beam.runners.runner import PipelineState

from pipelines.running.engine import RunnerChoice
from pipelines.running.graph import NAMESPACE
from pipelines.running.remote import flink
from pipelines.running.remote.job import RemoteJob, follow, identify
from pipelines.running.remote.staging import staged_files
from pipelines.running.watch.signals import Signals
from schemas.errors import JobError

LOG = logging.getLogger(__name__)
HEED_SECONDS = 0.5  # for samples under way to end on their own after Ctrl-C
STOP_SECONDS = 5.0  # for workers to let go after Ctrl-C
READER = "wait_until_finish_read"  # Beam's name of the thread that reads messages
READER_SECONDS = 1.0  # for it to end, once its connection is gone
CANCEL_SECONDS = 120.0  # for a remote runner to end a job that was cancelled
ERROR_MARK = re.compile(
    r"(?:JobError|OutputError|SickWorkerError|StoppedError): (.+?)(?: \[while running|\n|\\n|$)"
)
JAVA_FRAME = re.compile(
    r"\((\w+\.(java|scala)(:\d+)?|Native Method|Unknown Source)\)|^\.\.\. \d+ more$|^Driver stacktrace:$"
)


class PipelineRun(threading.Thread):
    """The pipeline in a thread of its own, so that the main thread hears Ctrl-C."""

    def __init__(self, pipeline: beam.Pipeline, choice: RunnerChoice) -> None:
        super().__init__(name="pipeline", daemon=True)
        self._pipeline, self._choice = pipeline, choice
        self.result: Any = None
        self.remote: RemoteJob | None = None  # after `submit`, if the job can outlive this process
        self.error: BaseException | None = None
        # Wait for this, and do not `join`: after Ctrl-C, join takes the thread for ended (bpo-45274).
        self.ended = threading.Event()

    def submit(self) -> None:
        """Hand the pipeline to a remote runner. Call it from the main thread.

        Job servers set a handler for Ctrl-C, which needs that thread; ours is put back.
        """
        on_main = threading.current_thread() is threading.main_thread()
        before = None
        if on_main:
            before = signal.getsignal(signal.SIGINT)
        try:
            with staged_files():
                self.result = self._pipeline.run()
            self.remote = identify(self.result, self._choice)
        except Exception as error:
            self.error = error
        finally:
            if before is not None:
                signal.signal(signal.SIGINT, before)

    def submit_no_more(self) -> None:
        """Nothing: one pipeline is submitted, whole."""

    def run(self) -> None:
        """The body of the thread; what it raises is kept in `error`."""
        try:
            if self.error is None:
                self._wait()
        except BaseException as error:
            self.error = error
        finally:
            self.ended.set()

    def stop(self, signals: Signals | None) -> bool:
        """Ask the job to stop, through its signals if it runs in this process, and wait a little.

        A second Ctrl-C ends the waiting. Returns whether every worker has let go.
        """
        LOG.info("stopping ... (Ctrl-C again to stop at once)")
        try:
            if signals is not None:
                signals.request_stop()
                if self.ended.wait(HEED_SECONDS):
                    return True
                signals.interrupt()
            else:
                self._cancel()
            if self.remote:
                return self.ended.wait(CANCEL_SECONDS)
            return self.ended.wait(STOP_SECONDS)
        except KeyboardInterrupt:
            return False

    def counters(self) -> dict[str, int | float]:
        """Beam's counters and distribution sums of this run; empty if the runner no longer has them."""
        found = Counters()
        found.add(self.result)
        return found.values()

    def _wait(self) -> None:
        if self.result is None:
            self.result = self._pipeline.run()
        try:
            with _quiet_reader():
                state = self.result.wait_until_finish()
        except Exception:
            # Either the job failed, or this process lost sight of it: the runner knows.
            if self.remote is None:
                raise
            state, _ = follow(self.remote)
            if state != PipelineState.DONE:
                raise
        if state not in (None, PipelineState.DONE):
            raise RuntimeError(f"the pipeline ended in state {state}")

    def _cancel(self) -> None:
        """Ask a remote runner to cancel; local ones look at the stop file."""
        if self.result is not None:
            try:
                self.result.cancel()
                if str(self._choice.runner).endswith(flink.RUNNER):
                    flink.cancel(self._choice.options, STOP_SECONDS)
            except Exception as error:  # runners raise any; the stop continues without a cancelled job
                LOG.warning("the runner could not cancel: %s", error)


class Counters:
    """Beam's counters and distributions, over one pipeline or several."""

    def __init__(self) -> None:
        self._counts: dict[str, int | float] = {}
        self._spreads: dict[str, tuple[float, int, float]] = {}  # name -> sum, count, largest

    def add(self, result: Any) -> None:
        """Add those of a pipeline that has ended; nothing if the runner no longer has them."""
        try:
            metrics = result.metrics().query()
        except Exception:  # runners raise what they like, and the job has ended well
            return
        for row in metrics["counters"]:
            name = row.key.metric.name
            if row.key.metric.namespace == NAMESPACE:
                self._counts[name] = self._counts.get(name, 0) + (row.committed or row.attempted or 0)
        for row in metrics["distributions"]:
            name, spread = row.key.metric.name, row.committed or row.attempted
            if row.key.metric.namespace == NAMESPACE and spread is not None:
                total, count, largest = self._spreads.get(name, (0.0, 0, 0.0))
                largest = max(largest, spread.max or 0)
                self._spreads[name] = (total + spread.sum, count + spread.count, largest)

    def values(self) -> dict[str, int | float]:
        """Counters by their names; the mean and the maximum of each distribution."""
        found = dict(self._counts)
        for name, (total, count, largest) in self._spreads.items():
            found[f"{name}_mean"], found[f"{name}_max"] = round(total / max(count, 1), 1), largest
        return dict(sorted(found.items()))


@contextmanager
def _quiet_reader() -> Iterator[None]:
    """Drop the traceback of Beam's thread that reads messages; a lost connection is reported in one line."""
    before = threading.excepthook

    def hook(args: threading.ExceptHookArgs) -> None:
        if not isinstance(args.exc_value, grpc.RpcError):
            before(args)

    threading.excepthook = hook
    try:
        yield
    finally:
        for thread in threading.enumerate():
            if thread.name == READER:  # the connection that the caller lost ends it too
                thread.join(READER_SECONDS)
        threading.excepthook = before


def job_error(error: BaseException) -> JobError:
    """The one line that a worker gave, wherever a runner hid it; else the runner's own words."""
    text = str(error)
    marked = ERROR_MARK.search(f"{type(error).__name__}: {text}")
    if marked:
        return JobError(marked.group(1).strip())
    lines = [line for line in map(str.strip, text.splitlines()) if line and not JAVA_FRAME.search(line)]
    *_, reason = lines or [type(error).__name__]
    return JobError(f"the pipeline failed: {reason[:500]}; run the same command again")
