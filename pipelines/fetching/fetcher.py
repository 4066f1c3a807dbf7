"""Many downloads at once, with results in input order, from an event loop in a thread of its own."""

from __future__ import annotations

import asyncio
import threading
from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future
from dataclasses import dataclass, field
from functools import partial
from types import TracebackType
from typing import Self
from urllib.parse import urlsplit

from pipelines.fetching.budget import Budget
from pipelines.fetching.config import FetchConfig
from pipelines.fetching.download import Downloader
from pipelines.fetching.resolver import Lookup, system_lookup
from schemas.records import Failure, Reason, Reference, SampleError, Stage


@dataclass(eq=False, slots=True)
class _Item:
    number: int  # position in its batch
    reference: Reference
    host: str
    held: int = 0  # bytes that it has taken of the budget
    result: Future[bytes | Failure] = field(default_factory=Future)


@dataclass(eq=False, slots=True)
class _Batch:
    """One call of `fetch_all`."""

    pending: deque[_Item] = field(default_factory=deque)
    running: set[asyncio.Task[None]] = field(default_factory=set)
    fetched: set[_Item] = field(default_factory=set)  # their results were not taken yet
    head: int = 0  # the item that the caller takes next


class _Memory:
    """The memory of one item, from the budget of the process."""

    def __init__(self, budget: Budget, batch: _Batch, item: _Item) -> None:
        self._budget, self._batch, self._item = budget, batch, item

    async def take(self, size: int) -> None:
        await self._budget.take(size, lambda: self._item.number == self._batch.head)
        self._item.held += size

    def release(self) -> None:
        held, self._item.held = self._item.held, 0
        if held:
            self._budget.give(held)


class Fetcher:
    """Fetch pictures concurrently for every thread of a worker.

    Make it in ``DoFn.setup``, close it in ``teardown``.

    At most `concurrency` pictures are in flight, over all callers, and they hold at most `ahead_bytes`, with
    those that were fetched and not yet taken. Beyond that only the picture that a caller waits for is
    received; it may exceed both. `check` refuses a body by its first bytes, as for `Downloader`.
    """

    def __init__(
        self,
        config: FetchConfig,
        *,
        lookup: Lookup = system_lookup,
        check: Callable[[bytes], object] | None = None,
    ) -> None:
        self._config = config
        self._in_flight = 0
        self._hosts: Counter[str] = Counter()
        self._batches: list[_Batch] = []
        self._lock = threading.Lock()
        self._closed = False
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="fetch", daemon=True)
        self._thread.start()
        self._downloader = asyncio.run_coroutine_threadsafe(self._open(lookup, check), self._loop).result()

    def fetch_all(self, references: Iterable[Reference]) -> Iterator[tuple[Reference, bytes | Failure]]:
        """Yield each reference with its picture or its failure, in the order given.

        `references` is read lazily. A reference that already has its picture yields that picture. Closing the
        iterator cancels what is in flight.
        """
        batch = _Batch()
        window: deque[_Item] = deque()
        source = enumerate(references)
        self._call(self._batches.append, batch)
        try:
            while True:
                while len(window) < self._config.ahead and (entry := next(source, None)) is not None:
                    window.append(self._submit(batch, *entry))
                if not window:
                    return
                item = window.popleft()
                result = item.result.result()
                self._call(self._taken, batch, item)
                yield item.reference, result
        finally:
            self._call(self._end, batch)

    def close(self) -> None:
        """Cancel what is in flight and end the thread. May be called twice."""
        with self._lock:
            if self._closed:
                return
            self._closed = True
        asyncio.run_coroutine_threadsafe(self._shutdown(), self._loop).result()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _submit(self, batch: _Batch, number: int, reference: Reference) -> _Item:
        item = _Item(number, reference, _host(reference.url or ""))
        if reference.image is not None:
            item.result.set_result(reference.image)
        elif not reference.url:
            item.result.set_result(Failure(reference.key, Stage.FETCH, Reason.BAD_URL, "no url"))
        elif not self._call(self._add, batch, item):
            item.result.set_result(_stopped(reference))
        return item

    def _call(self, callback: Callable[..., object], *arguments: object) -> bool:
        """Schedule a call in the event loop's thread, in the order of the calls; False after `close`."""
        with self._lock:
            if not self._closed:
                self._loop.call_soon_threadsafe(callback, *arguments)
            return not self._closed

    # Everything below runs in the event loop's thread.

    async def _open(self, lookup: Lookup, check: Callable[[bytes], object] | None) -> Downloader:
        self._budget = Budget(self._config.ahead_bytes, self._start_ready)
        return Downloader(self._config, lookup, check)

    def _add(self, batch: _Batch, item: _Item) -> None:
        batch.pending.append(item)
        self._start_ready()

    def _taken(self, batch: _Batch, item: _Item) -> None:
        batch.head = item.number + 1
        batch.fetched.discard(item)
        self._memory(batch, item).release()
        self._budget.look_again()  # the next one must not wait any more
        self._start_ready()

    def _memory(self, batch: _Batch, item: _Item) -> _Memory:
        return _Memory(self._budget, batch, item)

    def _start_ready(self) -> None:
        for batch in self._batches:
            while (item := self._next(batch)) is not None:
                self._in_flight += 1
                self._hosts[item.host] += 1
                task = self._loop.create_task(self._run(batch, item))
                batch.running.add(task)
                task.add_done_callback(partial(self._done, batch, item))

    def _next(self, batch: _Batch) -> _Item | None:
        """The first item whose host has room.

        While memory is full, only the item that the caller waits for: it waits neither for memory nor for
        downloads that do.
        """
        if self._budget.is_full:
            is_head = bool(batch.pending) and batch.pending[0].number == batch.head
            if is_head:
                return batch.pending.popleft()
            return None
        if self._in_flight >= self._config.concurrency:
            return None
        for place, item in enumerate(batch.pending):
            if not self._config.per_host or self._hosts[item.host] < self._config.per_host:
                del batch.pending[place]
                return item
        return None

    async def _run(self, batch: _Batch, item: _Item) -> None:
        reference = item.reference
        result: bytes | Failure
        try:
            result = await self._downloader.get(reference.url or "", self._memory(batch, item))
        except SampleError as error:
            result = error.failure(reference.key, reference.url)
        except Exception as error:  # one sample must never end the others
            result = Failure(
                reference.key, Stage.FETCH, Reason.ERROR, f"{type(error).__name__}: {error}", reference.url
            )
        batch.fetched.add(item)
        item.result.set_result(result)
        if batch not in self._batches:  # nobody will take it
            self._memory(batch, item).release()

    def _done(self, batch: _Batch, item: _Item, task: asyncio.Task[None]) -> None:
        batch.running.discard(task)
        self._in_flight -= 1
        self._hosts[item.host] -= 1
        if not self._hosts[item.host]:
            del self._hosts[item.host]
        if task.cancelled():
            item.result.set_result(_stopped(item.reference))
        self._start_ready()

    def _end(self, batch: _Batch) -> None:
        batch.pending.clear()
        for task in batch.running:
            task.cancel()
        for item in batch.fetched:
            self._memory(batch, item).release()
        if batch in self._batches:
            self._batches.remove(batch)

    async def _shutdown(self) -> None:
        for batch in list(self._batches):
            tasks = list(batch.running)
            for item in batch.pending:
                item.result.set_result(_stopped(item.reference))
            self._end(batch)
            await asyncio.gather(*tasks, return_exceptions=True)
        await self._downloader.close()


def _stopped(reference: Reference) -> Failure:
    return Failure(reference.key, Stage.FETCH, Reason.ERROR, "the job was stopped", reference.url)


def _host(url: str) -> str:
    try:
        return (urlsplit(url).hostname or "").lower()
    except ValueError:
        return ""
