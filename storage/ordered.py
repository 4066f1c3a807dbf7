"""Calls under way in a pool: results in input order, a bounded number of calls and of bytes.

Everything that works ahead of a stream uses this module: tasks of a Beam bundle, samples of a task, clips of
a shard. The pool can be one of threads or of processes: it is whatever gives a `Future`. This is the lowest
package that starts threads, so `pipelines`, `trainer` and `preview` can all import it.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, wait
from dataclasses import dataclass
from threading import Lock
from typing import Generic, TypeVar

T = TypeVar("T")
R = TypeVar("R")


@dataclass(frozen=True, slots=True)
class _Call(Generic[T, R]):
    item: T
    size: int
    future: Future[R]


class HeldBytes:
    """A number of bytes that several windows hold between them. Thread-safe."""

    def __init__(self) -> None:
        self._lock = Lock()
        self.bytes = 0

    def add(self, size: int) -> None:
        """Count further bytes; fewer if negative."""
        with self._lock:
            self.bytes += size


class Window(Generic[T, R]):
    """Calls under way, in the order in which they were added.

    The window is full when `calls` of them are under way, or when they hold `max_bytes` between them: all
    windows with the same `held` together. Each may hold one call, whatever the others hold.
    """

    def __init__(self, *, calls: int, max_bytes: int | None = None, held: HeldBytes | None = None) -> None:
        self._most_calls, self._most_bytes = calls, max_bytes
        self._waiting: deque[_Call[T, R]] = deque()
        self._held = held or HeldBytes()

    def __len__(self) -> int:
        return len(self._waiting)

    @property
    def full(self) -> bool:
        """Whether the caller must take a result before it adds another call."""
        if len(self._waiting) >= self._most_calls:
            return True
        if self._most_bytes is None or not self._waiting:
            return False
        return self._held.bytes >= self._most_bytes

    def add(self, item: T, future: Future[R], *, size: int = 0) -> None:
        """Add a call that was just submitted.

        `item` comes back with its result; `size` bytes count until then.
        """
        self._waiting.append(_Call(item, size, future))
        self._held.add(size)

    def take(self) -> tuple[T, R]:
        """Wait for the oldest call. Raises what the call raised."""
        oldest = self._waiting.popleft()
        self._held.add(-oldest.size)
        return oldest.item, oldest.future.result()

    def cancel(self) -> None:
        """Drop the calls that have not begun, and wait for those that run. Results and errors are lost."""
        running = [call.future for call in self._waiting if not call.future.cancel()]
        wait(running)
        self._held.add(-sum(call.size for call in self._waiting))
        self._waiting.clear()


def in_order(
    submit: Callable[[T], Future[R]],
    items: Iterable[T],
    *,
    calls: int,
    size_of: Callable[[T], int] = lambda item: 0,
    max_bytes: int | None = None,
) -> Iterator[R]:
    """The results of `submit(item)`, in input order. `items` is read as far ahead as the window allows.

    At most `calls` calls are under way, and no further one starts while they hold `max_bytes` by `size_of`.
    The first exception of a call, in input order, is raised here. Closing the iterator cancels the rest.
    """
    window: Window[None, R] = Window(calls=calls, max_bytes=max_bytes)
    try:
        for item in items:
            window.add(None, submit(item), size=size_of(item))
            while window.full:
                yield window.take()[1]
        while len(window):
            yield window.take()[1]
    finally:
        window.cancel()
