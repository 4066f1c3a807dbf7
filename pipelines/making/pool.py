"""A pool of worker processes with limits on each sample. A worker that exceeds one, or dies, costs its sample alone.

Each process has a thread here, which gives it handfuls, takes the results one by one, and replaces it when it must.
So the sample that was being made is known, and the others of its handful go to the next worker.

Two libraries were considered. pebble measures the same as `multiprocessing.Pool`, but it limits a call and not a sample
of a handful, its processes outlive a job that is killed while they compute, and they import the job's main module:
inside a Beam worker that is Beam. loky ends every call when one worker dies.
"""

from __future__ import annotations

import os
import pickle
import queue
import select
import signal
import socket
import threading
import time
from collections import deque
from collections.abc import Sequence
from concurrent.futures import Future
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from pipelines.making import channel
from pipelines.making.config import SampleLimits
from pipelines.making.nursery import Nursery
from pipelines.making.worker import Handful, Kind, Start, Target
from schemas.errors import JobError
from schemas.records import Reason

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
        self.sample_seconds = 0.0  # mean time of a sample lately; 0 before the first
        self._start = channel.encode(Start(target, limits.memory_mb))
        self._jobs: queue.SimpleQueue[_Job | None] = queue.SimpleQueue()
        self._nursery = Nursery(modules)
        self._closed = threading.Event()
        self._living: set[_Worker] = set()
        self._lock = threading.Lock()
        self._threads = [
            threading.Thread(target=self._serve, name=f"worker-{number}", daemon=True)
            for number in range(workers)
        ]
        for thread in self._threads:
            thread.start()

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
        worker: _Worker | None = None
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

    def _new_worker(self, given: deque[_Job]) -> _Worker:
        worker = _Worker(self._nursery, self._start)
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
            raise JobError(f"a worker process ended while it started ({_in_words(status)})") from None
        except BaseException:
            self._end(worker)
            raise
        for job in given:
            worker.give(job.rest())
        return worker

    def _give_more(self, worker: _Worker, given: deque[_Job]) -> bool:
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

    def _take_one(self, worker: _Worker, given: deque[_Job]) -> _Worker | None:
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

    def _died(self, worker: _Worker, job: _Job, given: deque[_Job]) -> None:
        status = self._end(worker)
        place = len(job.results)
        killed = os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGKILL
        if killed and job.tried != place:
            job.tried = place  # it was killed from outside: the sample may be innocent
            return
        self._add(given, Lost(Reason.DECODER_CRASH, f"ended the process that made it ({_in_words(status)})"))

    def _add(self, given: deque[_Job], result: Any) -> None:
        job = given[0]
        job.results.append(result)
        if len(job.results) == len(job.items):
            given.popleft()
            job.future.set_result(job.results)

    def _end(self, worker: _Worker) -> int:
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


class _Worker:
    """One process, as its thread sees it."""

    def __init__(self, nursery: Nursery, start: bytes) -> None:
        self.process, self._socket = nursery.fork()
        self._unsent: deque[memoryview] = deque([memoryview(start)])
        self._poll = select.poll()

    def give(self, handful: Handful) -> None:
        """Send a handful as soon as the process takes it."""
        if handful.items:
            self._unsent.append(memoryview(channel.encode(handful)))

    def answer(self, seconds: float) -> tuple[Kind, Any]:
        """Wait for the next message. Raises TimeoutError, or EOFError if the process has died.

        It sends in between what the process has not taken yet: both ends would wait for ever if each only sent.
        """
        deadline = time.monotonic() + seconds
        while True:
            self._poll.register(self._socket, select.POLLIN | (select.POLLOUT if self._unsent else 0))
            left = deadline - time.monotonic()
            events = self._poll.poll(max(0.0, 1000 * left))
            if not events:
                raise TimeoutError
            if events[0][1] & ~select.POLLOUT:
                message: tuple[Kind, Any] = channel.receive(self._socket)
                return message
            self._send_some()

    def kill(self) -> None:
        """End the process, whatever it does."""
        with suppress(ProcessLookupError):
            os.kill(self.process, signal.SIGKILL)

    def close(self) -> None:
        """Let go of the socket."""
        self._socket.close()

    def _send_some(self) -> None:
        try:
            sent = self._socket.send(self._unsent[0], socket.MSG_DONTWAIT)
        except BlockingIOError:
            return
        except ConnectionError:  # it has died; what it sent before can still be read
            self._unsent.clear()
            return
        self._unsent[0] = self._unsent[0][sent:]
        if not self._unsent[0]:
            self._unsent.popleft()


def _fail(given: deque[_Job], error: Exception) -> None:
    while given:
        given.popleft().future.set_exception(error)


def _in_words(status: int) -> str:
    if os.WIFSIGNALED(status):
        return signal.Signals(os.WTERMSIG(status)).name
    return f"exit status {os.waitstatus_to_exitcode(status)}"


@dataclass
class _Shared:
    pool: WorkerPool
    users: int = 0


# A Beam worker process makes several instances of a DoFn, each with a maker; the cores of the machine are there once.
_shared: dict[bytes, _Shared] = {}
_shared_lock = threading.Lock()


def share_pool(
    target: Target, limits: SampleLimits, *, workers: int, modules: Sequence[str] = ()
) -> WorkerPool:
    """This process's pool for an equal target and equal limits, started if there is none. Release it after use."""
    name = pickle.dumps((target, limits, workers))
    with _shared_lock:
        shared = _shared.get(name)
        if shared is None:
            shared = _shared[name] = _Shared(WorkerPool(target, limits, workers=workers, modules=modules))
        shared.users += 1
        return shared.pool


def release_pool(pool: WorkerPool) -> None:
    """Give a shared pool back; its processes end with its last user."""
    with _shared_lock:
        name = next(name for name, shared in _shared.items() if shared.pool is pool)
        shared = _shared[name]
        shared.users -= 1
        if shared.users:
            return
        del _shared[name]
    pool.close()


def available_cores() -> int:
    """Cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
