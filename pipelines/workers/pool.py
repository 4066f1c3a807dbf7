"""A pool of worker processes with limits on each sample.

A worker that exceeds one, or dies, costs its sample alone.

Each process has a thread here, which gives it handfuls, takes the results, and replaces it when it must. The
process marks the sample that it has begun in shared memory. So the sample that ended it is known, and the
others of its handful that have no result go to the next worker.

Two libraries were considered. pebble is as fast as `multiprocessing.Pool`, but it limits a call, not a sample
of a handful. It starts processes through `multiprocessing`, which imports the job's main module in each of
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
from dataclasses import dataclass
from typing import Any

from pipelines.workers import channel
from pipelines.workers.config import SampleLimits
from pipelines.workers.nursery import Nursery
from pipelines.workers.process import WorkerProcess, status_in_words
from pipelines.workers.waiting import waited_seconds
from pipelines.workers.worker import Handful, Kind, Start, Target
from schemas.errors import JobError
from schemas.records import Reason
from storage.ordered import HeldBytes

SETUP_SECONDS = 600.0  # a user's filter may load a model
SHORT_SECONDS = 0.5  # a handful that takes less is given before the one ahead of it is done
IDLE_SECONDS = 60.0  # until a worker is replaced that does not begin a sample
MOST_WAITING = 10  # times the limit of a sample, that its worker may wait for a core on a busy machine
SMOOTHING = 0.1  # weight of the newest sample in the mean time


@dataclass(frozen=True, slots=True)
class Lost:
    """Takes the place of a result: why its worker had to be replaced."""

    reason: Reason
    detail: str


class _Request:
    """A handful of items and the results so far."""

    def __init__(self, method: str, items: list[Any]) -> None:
        self.method, self.items = method, items
        self.future: Future[list[Any]] = Future()
        self.results: list[Any] = [None] * len(items)
        self.open = deque(range(len(items)))  # the places of the items that have no result, in order
        self.tried = -1  # the place of the item whose worker was killed from outside, and which is made again

    def rest(self) -> Handful:
        return Handful(self.method, [self.items[place] for place in self.open])


class WorkerPool:
    """Worker processes that call methods of a target.

    They start at once, without the imports of the job. `modules` are imported once and shared by all
    processes.
    """

    def __init__(self, target: Target, limits: SampleLimits, *, workers: int, modules: Sequence[str]) -> None:
        self.workers = workers
        self.limits = limits
        self.held = HeldBytes()  # of its samples, over all callers
        self.sample_seconds = 0.0  # mean time of a sample lately; 0 before the first
        self._start = channel.encode(Start(target, limits.memory_mb))
        self._requests: queue.SimpleQueue[_Request | None] = queue.SimpleQueue()
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
        """The nursery, which also forks the readers of the same job."""
        return self._nursery

    def submit(self, method: str, items: list[Any]) -> Future[list[Any]]:
        """Call a method of the target on each item.

        The future's result holds one value, or `Lost`, per item. An exception of the method is raised by the
        future.
        """
        request = _Request(method, items)
        if items:
            self._requests.put(request)
        else:
            request.future.set_result([])
        return request.future

    def close(self) -> None:
        """Kill the processes and end the threads. Calls under way fail."""
        self._closed.set()
        with self._lock:
            for worker in self._living:
                worker.kill()
        for _ in self._threads:
            self._requests.put(None)
        for thread in self._threads:
            thread.join()
        self._nursery.close()
        with suppress(queue.Empty):
            while True:
                request = self._requests.get_nowait()
                if request is not None:
                    request.future.cancel()

    def _serve(self) -> None:
        """The body of a thread."""
        # The requests that the worker has: the one that it makes, and perhaps the next.
        given: deque[_Request] = deque()
        worker: WorkerProcess | None = None
        try:
            while not self._closed.is_set():
                worker = worker or self._new_worker(given)
                if self._give_more(worker, given):
                    worker = self._take_some(worker, given)
        except Exception as error:
            _fail(given, error)
            self._fail_the_rest(error)
        finally:
            _fail(given, JobError("the pool of workers was closed"))
            if worker is not None:
                self._end(worker)

    def _new_worker(self, given: deque[_Request]) -> WorkerProcess:
        worker = WorkerProcess(self._nursery, self._start)
        with self._lock:
            self._living.add(worker)
        try:
            # `close` may have killed the living before this worker was among them.
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
        # The items that the worker before it has left open.
        for request in given:
            worker.give(request.rest())
        return worker

    def _give_more(self, worker: WorkerProcess, given: deque[_Request]) -> bool:
        """Keep the worker in work: wait for the first request, and add a second one if requests are short."""
        while not given or (len(given) < 2 and self._requests_are_short(given[0])):
            try:
                request = self._requests.get(block=not given)
            except queue.Empty:
                return True
            if request is None:
                return bool(given)
            if request.future.set_running_or_notify_cancel():
                given.append(request)
                worker.give(request.rest())
        return True

    def _requests_are_short(self, request: _Request) -> bool:
        return 0 < self.sample_seconds * len(request.items) < SHORT_SECONDS

    def _take_some(self, worker: WorkerProcess, given: deque[_Request]) -> WorkerProcess | None:
        """Take what the worker sends next. Returns the worker, or None if it has to be replaced."""
        began = time.monotonic()
        try:
            # Look at the mark again after one limit at most: it may show that a sample has begun meanwhile.
            answers = worker.answers(min(self._seconds_left(worker), self.limits.seconds))
        except TimeoutError:
            if self._seconds_left(worker) > 0:  # it has begun another sample meanwhile
                return worker
            self._timed_out(worker, given)
            return None
        except EOFError:
            self._died(worker, given)
            return None
        for kind, value in answers:
            worker.answered += 1
            if kind is Kind.MEMORY:
                detail = f"needed more than {self.limits.memory_mb} MB of memory, the limit of a sample"
                _add(given, Lost(Reason.DECODER_MEMORY, detail))
            elif kind is Kind.ERROR:
                given.popleft().future.set_exception(value)
            else:
                _add(given, value)
        if answers[-1][0] is not Kind.RESULT:
            self._end(worker)
            return None
        seconds = (time.monotonic() - began) / len(answers)
        mean = self.sample_seconds
        if mean:
            self.sample_seconds = mean + SMOOTHING * (seconds - mean)
        else:
            self.sample_seconds = seconds
        return worker

    def _seconds_left(self, worker: WorkerProcess) -> float:
        """Seconds that the sample under way may still take; between samples, seconds to the next message.

        Time that the worker waits for a core does not count: on a busy machine an innocent sample would fail.
        """
        mark = worker.region.mark
        if mark.begun <= worker.answered:
            return worker.heard + max(self.limits.seconds, IDLE_SECONDS) - time.monotonic()
        left = mark.at + self.limits.seconds - time.monotonic()
        if left > 0:
            return left
        waited = waited_seconds(worker.process) - mark.waited
        return left + min(max(waited, 0.0), MOST_WAITING * self.limits.seconds)

    def _timed_out(self, worker: WorkerProcess, given: deque[_Request]) -> None:
        idle = worker.region.mark.begun <= worker.answered
        request, place = _under_way(worker, given)
        self._end(worker)
        if idle:  # something stops the process, and no sample does
            return
        detail = f"took longer than {self.limits.seconds:g} seconds, the limit of a sample"
        _add(given, Lost(Reason.DECODER_TIMEOUT, detail), request, place)

    def _died(self, worker: WorkerProcess, given: deque[_Request]) -> None:
        status = self._end(worker)
        request, place = _under_way(worker, given)
        killed = os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGKILL
        if killed and request.tried != place:
            request.tried = place  # it was killed from outside: the sample may be innocent
            return
        detail = f"ended the process that made it ({status_in_words(status)})"
        _add(given, Lost(Reason.DECODER_CRASH, detail), request, place)

    def _end(self, worker: WorkerProcess) -> int:
        """Make sure that the process is gone; its exit status."""
        with self._lock:
            self._living.discard(worker)
        worker.kill()
        worker.close()
        return self._nursery.wait(worker.process)

    def _fail_the_rest(self, error: Exception) -> None:
        """Fail every request, also later ones: no worker can be started."""
        while (request := self._requests.get()) is not None:
            if request.future.set_running_or_notify_cancel():
                request.future.set_exception(error)


def _under_way(worker: WorkerProcess, given: deque[_Request]) -> tuple[_Request, int]:
    """The request and the place of the sample that a worker has begun, or else of the next one."""
    ahead = max(worker.region.mark.begun - worker.answered - 1, 0)  # made, and not sent yet
    for request in given:
        if ahead < len(request.open):
            return request, request.open[ahead]
        ahead -= len(request.open)
    return given[0], given[0].open[0]


def _add(
    given: deque[_Request], result: Any, request: _Request | None = None, place: int | None = None
) -> None:
    """Give the next sample its result, or the sample at a place of a request."""
    request = request or given[0]
    if place is None:
        place = request.open[0]
    request.open.remove(place)
    request.results[place] = result
    if not request.open:
        given.remove(request)
        request.future.set_result(request.results)


def _fail(given: deque[_Request], error: Exception) -> None:
    while given:
        given.popleft().future.set_exception(error)
