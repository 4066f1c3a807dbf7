"""Calls in a pool of threads: results in input order, a bounded number of calls and of bytes under way.

Everything that works ahead of a stream uses this module: tasks of a Beam bundle, samples of a task, clips of a shard.
It is in the lowest package that starts threads, so that `pipelines`, `trainer` and `preview` can all import it.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Executor, Future, wait
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

T = TypeVar("T")
R = TypeVar("R")


@dataclass(frozen=True, slots=True)
class _Call(Generic[T, R]):
    item: T
    size: int
    future: Future[R]


class Window(Generic[T, R]):
    """Calls under way, in the order in which they were submitted.

    The window is full when `calls` of them are under way, or when they hold `max_bytes` between them.
    """

    def __init__(self, pool: Executor, *, calls: int, max_bytes: int | None = None) -> None:
        self._pool = pool
        self._most_calls, self._most_bytes = calls, max_bytes
        self._waiting: deque[_Call[T, R]] = deque()
        self._bytes = 0

    def __len__(self) -> int:
        return len(self._waiting)

    @property
    def full(self) -> bool:
        """Whether the caller must take a result before it submits another call."""
        if len(self._waiting) >= self._most_calls:
            return True
        return self._most_bytes is not None and self._bytes >= self._most_bytes

    def submit(self, item: T, call: Callable[..., R], *arguments: Any, size: int = 0) -> None:
        """Start a call. `item` comes back with its result; `size` bytes count until then."""
        self._waiting.append(_Call(item, size, self._pool.submit(call, *arguments)))
        self._bytes += size

    def take(self) -> tuple[T, R]:
        """Wait for the oldest call. Raises what the call raised."""
        oldest = self._waiting.popleft()
        self._bytes -= oldest.size
        return oldest.item, oldest.future.result()

    def cancel(self) -> None:
        """Drop the calls that have not begun, and wait for those that run. Their results and errors are lost."""
        running = [call.future for call in self._waiting if not call.future.cancel()]
        wait(running)
        self._waiting.clear()
        self._bytes = 0


def in_order(
    pool: Executor,
    call: Callable[[T], R],
    items: Iterable[T],
    *,
    calls: int,
    size_of: Callable[[T], int] = lambda item: 0,
    max_bytes: int | None = None,
) -> Iterator[R]:
    """`call(item)` of each item, results in input order. `items` is read as far ahead as the window allows.

    At most `calls` calls are under way, and no further one starts while they hold `max_bytes` by `size_of`.
    The first exception of a call, in input order, is raised here. Closing the iterator cancels the rest.
    """
    window: Window[T, R] = Window(pool, calls=calls, max_bytes=max_bytes)
    try:
        for item in items:
            window.submit(item, call, item, size=size_of(item))
            while window.full:
                yield window.take()[1]
        while len(window):
            yield window.take()[1]
    finally:
        window.cancel()
