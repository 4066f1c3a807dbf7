"""A worker process: takes items by the handful, calls its target on each, and sends the results together.

It marks in shared memory which sample it has begun, so that the job knows the sample that ended it.

A method may be a generator that yields between its stages. A stage then runs for all samples of the handful
before the next one does: Python's code and data stay in the caches, which a sample's pixels would empty.

It never imports Beam or torch on its own. A sample may use `memory_mb` more than the process holds when the
sample begins. An allocation beyond that fails, which Python and the decoders report as a MemoryError.
"""

from __future__ import annotations

import os
import pickle
import resource
import socket
import sys
import time
import warnings
from collections.abc import Callable, Generator, Iterator
from dataclasses import dataclass
from enum import StrEnum
from functools import cache
from types import GeneratorType
from typing import Any, Protocol

from pipelines.workers import channel
from pipelines.workers.region import Region
from schemas.errors import JobError
from schemas.text import one_line

MEMORY_WORDS = ("nsufficient memory", "annot allocate memory", "bad_alloc", "out of memory")
STATM, STATM_BYTES = "/proc/self/statm", 128
# Of STATM: private writable memory, in pages; the kernel holds RLIMIT_DATA against the same number.
DATA_FIELD = 5
MEGABYTE = 1 << 20
FLUSH_SECONDS = 0.5  # after the last message, a result is sent at once
FLUSH_BYTES = 1 << 20  # that found no room in shared memory, and are sent at once


class Target(Protocol):
    """The object whose methods a worker calls. Picklable and small; each handful names the method."""

    def setup(self) -> None:
        """Called once in each worker, before the first item. No limits hold yet."""


class Kind(StrEnum):
    """The kind of a message from a worker."""

    READY = "ready"  # the target is set up
    RESULT = "result"
    STAGE = "stage"  # a stage is done, and another one follows; never sent
    MEMORY = "memory"  # the item needed more than it may have; the worker has to be replaced
    ERROR = "error"  # an exception that ends the job


@dataclass(frozen=True)
class Start:
    """The first message to a worker."""

    target: Target
    memory_mb: int

    def serve(self, connection: socket.socket, region: Region) -> None:
        """Set the target up and answer handfuls. Raises EOFError when the job closes the connection."""
        try:
            self.target.setup()
            ready = channel.encode((Kind.READY, None))
        except Exception as error:
            ready = channel.encode((Kind.ERROR, portable(error)))
        channel.send(connection, ready)
        while True:
            handful: Handful = channel.receive(connection)
            outbox = _Outbox(connection)
            for answer in self.answers(handful, region):
                outbox.add(answer)
            outbox.flush()

    def answers(self, handful: Handful, region: Region) -> Iterator[channel.Packed]:
        """Take the items from stage to stage, and yield the answers in order.

        Items after one that ends the worker are left to the next worker.
        """
        call = getattr(self.target, handful.method)
        runs = [_stages(call, item) for item in handful.items]
        answers: list[channel.Packed | None] = [None] * len(runs)
        spent = [0.0] * len(runs)
        first, left, sent = region.mark.begun + 1, len(runs), 0
        last: channel.Packed | None = None
        while sent < left:
            for place in range(sent, left):
                if answers[place] is not None:
                    continue
                region.begin(first + place, spent[place])
                kind, answer = _next_stage(runs[place], self.memory_mb, region)
                spent[place] = region.spent()
                if kind in (Kind.MEMORY, Kind.ERROR):
                    last, left = answer, place
                    break
                answers[place] = answer
                while sent < left and (ready := answers[sent]) is not None:
                    yield ready
                    sent += 1
        if last is not None:
            yield last


@dataclass(frozen=True)
class Handful:
    """Items for one call each of a method of the target."""

    method: str
    items: list[Any]


class FirstMessage(Protocol):
    """The role of a new process."""

    def serve(self, connection: socket.socket, region: Region) -> None:
        """Answer messages until the job closes the connection. Raises EOFError then."""


def serve(connection: socket.socket, memory: int) -> None:
    """Do what the first message says, until the job closes the connection.

    `memory` is the descriptor of the file of the region that this process shares with the job.
    """
    _quiet()
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))  # a crash is an answer here, not a file of gigabytes
    try:
        region = Region(memory)
        os.close(memory)
        start: FirstMessage = channel.receive(connection)
        start.serve(connection, region)
    except (EOFError, ConnectionError):
        os._exit(0)


def is_memory_error(error: BaseException | None) -> bool:
    """Does this exception, or one of its causes, report a lack of memory? Libraries report it differently."""
    while error is not None:
        if isinstance(error, MemoryError) or any(word in str(error) for word in MEMORY_WORDS):
            return True
        error = error.__cause__ or error.__context__
    return False


class _Outbox:
    """Answers that wait for the others of their handful, so that the job is not woken for each."""

    def __init__(self, connection: socket.socket) -> None:
        self._connection = connection
        self._answers: list[channel.Packed] = []
        self._bytes = 0
        self._flushed = time.monotonic()

    def add(self, answer: channel.Packed) -> None:
        self._answers.append(answer)
        self._bytes += answer.sent_bytes
        late = time.monotonic() - self._flushed > FLUSH_SECONDS
        if late or self._bytes > FLUSH_BYTES:
            self.flush()

    def flush(self) -> None:
        if self._answers:
            channel.send(self._connection, channel.message(self._answers))
        self._answers, self._bytes, self._flushed = [], 0, time.monotonic()


def whole(stages: Generator[None, None, Any]) -> Any:
    """Run a method that yields between its stages to its end; its result."""
    while True:
        try:
            next(stages)
        except StopIteration as end:
            return end.value


def _stages(call: Callable[[Any], Any], item: Any) -> Generator[None, None, Any]:
    """A call that has not begun. One that is no generator has one stage."""
    result = call(item)
    if isinstance(result, GeneratorType):
        result = yield from result
    return result


def _next_stage(
    stages: Generator[None, None, Any], memory_mb: int, region: Region
) -> tuple[Kind, channel.Packed | None]:
    """Run one stage. There is an answer unless another stage follows."""
    # Counted from what the process holds now, so that a filter's model, loaded in `setup`, does not count.
    limit_memory(memory_mb)
    try:
        try:
            next(stages)
        except StopIteration as end:
            return Kind.RESULT, channel.pack((Kind.RESULT, end.value), region)
        return Kind.STAGE, None
    except Exception as error:
        # To report the error takes memory too.
        limit_memory(None)
        if is_memory_error(error):
            return Kind.MEMORY, channel.pack((Kind.MEMORY, None))
        return Kind.ERROR, channel.pack((Kind.ERROR, portable(error)))


def limit_memory(megabytes: int | None) -> None:
    """Limit this process to `megabytes` more private memory than it has now.

    None lifts the limit. Linux only.
    """
    _, most = resource.getrlimit(resource.RLIMIT_DATA)
    if megabytes is None:
        resource.setrlimit(resource.RLIMIT_DATA, (most, most))
        return
    try:
        pages = int(os.pread(_statm(os.getpid()), STATM_BYTES, 0).split()[DATA_FIELD])
    except OSError:
        return
    allowed = pages * resource.getpagesize() + megabytes * MEGABYTE
    soft = allowed
    if most != resource.RLIM_INFINITY:
        soft = min(allowed, most)
    resource.setrlimit(resource.RLIMIT_DATA, (soft, most))


@cache
def _statm(process: int) -> int:
    """STATM, opened once by a process: a forked one must not read that of its parent."""
    return os.open(STATM, os.O_RDONLY | os.O_CLOEXEC)


def portable(error: Exception) -> Exception:
    """An exception that a message can carry: itself if it survives pickling, else its text."""
    try:
        pickle.loads(pickle.dumps(error))  # noqa: S301 - our own bytes
    except Exception:
        return JobError(f"{type(error).__name__}: {one_line(error)}")
    return error


def _quiet() -> None:
    """Drop what C libraries print about broken pictures; Python's own stderr, of a user's filter, stays."""
    warnings.simplefilter("ignore")
    own = os.fdopen(os.dup(2), "w", buffering=1)
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 2)
    os.close(nowhere)
    sys.stderr = own
