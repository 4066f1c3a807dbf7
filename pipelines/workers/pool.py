"""A pool of worker processes with limits on each sample.

A worker that exceeds one, or dies, costs its sample alone.

Each process has a thread here, which gives it handfuls, takes the results one by one, and replaces it when it
must. So the sample that was being made is known, and the others of its handful go to the next worker.

Two libraries were considered. pebble is as fast as `multiprocessing.Pool`, but it limits a call, not a sample
of a handful, and starts processes through `multiprocessing`, which imports the job's main module in each of
them: inside a Beam worker that is Beam. loky was slower, and ends every call when one worker dies.
"""

from __future__ import annotations

import os
import queue
import signal
import threading
import time
from collections import deque
from collections.abc import Sequence
from concurrent.futures import Future
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from pipelines.workers import channel
from pipelines.workers.config import SampleLimits
from pipelines.workers.nursery import Nursery
from pipelines.workers.process import WorkerProcess, status_in_words
from pipelines.workers.worker import Handful, Kind, Start, Target
from schemas.errors import JobError
from schemas.records import Reason
from storage.ordered import HeldBytes

SETUP_SECONDS = 600.0  # a user's filter may load a model
SHORT_SECONDS = 0.25  # a handful that takes less is given before the one ahead of it is done
SMOOTHING = 0.1  # weight of the newest sample in the mean time


@dataclass(frozen=True, slots=True)
class Lost:
    """In the place of a result: why the worker that made it had to be replaced."""

    reason: Reason
    detail: str


@dataclass(slots=True)
class _Job:
    """A handful and what has come of it."""

    method: str
    items: list[Any]
    future: Future[list[Any]] = field(default_factory=Future)
    results: list[Any] = field(default_factory=list)
    tried: int = -1  # the item whose worker was killed from outside, and which is made again

    def rest(self) -> Handful:
        return Handful(self.method, self.items[len(self.results) :])


class WorkerPool:
    """Processes that call a target. Their processes start at once and need nothing of the job's own imports.

    `modules` are imported once and shared by all processes.
    """

    def __init__(self, target: Target, limits: SampleLimits, *, workers: int, modules: Sequence[str]) -> None:
        self.workers = workers
        self.limits = limits
        self.held = HeldBytes()  # of its samples, over all callers
        self.sample_seconds = 0.0  # mean time of a sample lately; 0 before the first
        self._start = channel.encode(Start(target, limits.memory_mb))
        self._jobs: queue.SimpleQueue[_Job | None] = queue.SimpleQueue()
        self._nursery = Nursery(modules)
        self._closed = threading.Event()
        self._living: set[WorkerProcess] = set()
        self._lock = threading.Lock()
        self._threads = [
            threading.Thread(target=self._serve, name=f"worker-{number}", daemon=True)
            for number in range(workers)
        ]
        for thread in self._threads:
            thread.start()

    @property
    def nursery(self) -> Nursery:
        """From which readers of the same job are forked."""
        return self._nursery

    def submit(self, method: str, items: list[Any]) -> Future[list[Any]]:
        """Have a method of the target called on each item. The result holds one value, or `Lost`, per item.

        An exception of the method is the future's.
        """
        job = _Job(method, items)
        if items:
            self._jobs.put(job)
        else:
            job.future.set_result([])
        return job.future

    def close(self) -> None:
        """Kill the processes and end the threads. Calls under way fail."""
        self._closed.set()
        with self._lock:
            for worker in self._living:
                worker.kill()
        for _ in self._threads:
            self._jobs.put(None)
        for thread in self._threads:
            thread.join()
        self._nursery.close()
        with suppress(queue.Empty):
            while True:
                job = self._jobs.get_nowait()
                if job is not None:
                    job.future.cancel()

    def _serve(self) -> None:
        """The body of a thread."""
        given: deque[_Job] = deque()
        worker: WorkerProcess | None = None
        try:
            while not self._closed.is_set():
                worker = worker or self._new_worker(given)
                if self._give_more(worker, given):
                    worker = self._take_one(worker, given)
        except Exception as error:
            _fail(given, error)
            self._fail_the_rest(error)
        finally:
            _fail(given, JobError("the pool of workers was closed"))
            if worker is not None:
                self._end(worker)

    def _new_worker(self, given: deque[_Job]) -> WorkerProcess:
        worker = WorkerProcess(self._nursery, self._start)
        with self._lock:
            self._living.add(worker)
        try:
            if self._closed.is_set():
                worker.kill()
            kind, error = worker.answer(SETUP_SECONDS)
            if kind is Kind.ERROR:
                raise error
        except (EOFError, TimeoutError):
            status = self._end(worker)
            if self._closed.is_set():
                raise JobError("the pool of workers was closed") from None
            raise JobError(f"a worker process ended while it started ({status_in_words(status)})") from None
        except BaseException:
            self._end(worker)
            raise
        for job in given:
            worker.give(job.rest())
        return worker

    def _give_more(self, worker: WorkerProcess, given: deque[_Job]) -> bool:
        """Keep the worker in work: wait for the first job, and add a second one if jobs are short."""
        while not given or (len(given) < 2 and self._jobs_are_short(given[0])):
            try:
                job = self._jobs.get(block=not given)
            except queue.Empty:
                return True
            if job is None:
                return bool(given)
            if job.future.set_running_or_notify_cancel():
                given.append(job)
                worker.give(job.rest())
        return True

    def _jobs_are_short(self, job: _Job) -> bool:
        return 0 < self.sample_seconds * len(job.items) < SHORT_SECONDS

    def _take_one(self, worker: WorkerProcess, given: deque[_Job]) -> WorkerProcess | None:
        """Take one result. Returns the worker, or None if it has to be replaced."""
        job, began = given[0], time.monotonic()
        lost: Lost | None = None
        try:
            kind, value = worker.answer(self.limits.seconds)
        except TimeoutError:
            lost = Lost(
                Reason.DECODER_TIMEOUT,
                f"took longer than {self.limits.seconds:g} seconds, the limit of a sample",
            )
        except EOFError:
            self._died(worker, job, given)
            return None
        else:
            if kind is Kind.MEMORY:
                lost = Lost(
                    Reason.DECODER_MEMORY,
                    f"needed more than {self.limits.memory_mb} MB of memory, the limit of a sample",
                )
            elif kind is Kind.ERROR:
                given.popleft().future.set_exception(value)
                self._end(worker)
                return None
        self._add(given, lost or value)
        if lost is not None:
            self._end(worker)
            return None
        seconds = time.monotonic() - began
        mean = self.sample_seconds
        self.sample_seconds = mean + SMOOTHING * (seconds - mean) if mean else seconds
        return worker

    def _died(self, worker: WorkerProcess, job: _Job, given: deque[_Job]) -> None:
        status = self._end(worker)
        place = len(job.results)
        killed = os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGKILL
        if killed and job.tried != place:
            job.tried = place  # it was killed from outside: the sample may be innocent
            return
        self._add(
            given, Lost(Reason.DECODER_CRASH, f"ended the process that made it ({status_in_words(status)})")
        )

    def _add(self, given: deque[_Job], result: Any) -> None:
        job = given[0]
        job.results.append(result)
        if len(job.results) == len(job.items):
            given.popleft()
            job.future.set_result(job.results)

    def _end(self, worker: WorkerProcess) -> int:
        """Make sure that the process is gone; its exit status."""
        with self._lock:
            self._living.discard(worker)
        worker.kill()
        worker.close()
        return self._nursery.wait(worker.process)

    def _fail_the_rest(self, error: Exception) -> None:
        """No worker can be had: every job that waits, or comes later, fails alike."""
        while (job := self._jobs.get()) is not None:
            if job.future.set_running_or_notify_cancel():
                job.future.set_exception(error)


def _fail(given: deque[_Job], error: Exception) -> None:
    while given:
        given.popleft().future.set_exception(error)
