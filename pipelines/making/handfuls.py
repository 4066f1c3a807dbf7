"""Send samples to the pool of workers in handfuls, in input order, bounded in bytes and not in samples."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from typing import Any, TypeVar

from pipelines.workers.pool import Lost, WorkerPool
from schemas.records import Failure, Reference, Stage
from storage.ordered import Window

T = TypeVar("T")

AHEAD_BYTES = 256_000_000  # of all tasks: inputs that were sent, and results awaited or not yet taken
HANDFUL_SECONDS = 0.25  # on a busy machine a message to a worker and back costs as much as 5 ms of work
MOST = 8  # samples in a handful


def through_workers(
    pool: WorkerPool,
    method: str,
    items: Iterator[T | Failure],
    *,
    guess: int,
    samples: int | None = None,
    max_bytes: int = AHEAD_BYTES,
) -> Iterator[tuple[T | Failure, Any]]:
    """Each item with what the workers' `method` makes of it, or `Lost`, in input order.

    Failures come back as they are.

    An item or a result that carries bytes says how many in `size`. `guess` is a result's size until one is
    known. `samples` is about how many items there are.
    """
    most = handful_limit(samples, pool.workers)
    calls = 2 * pool.workers + 2
    window: Window[list[T | Failure], list[Any]] = Window(calls=calls, max_bytes=max_bytes, held=pool.held)
    expected = guess
    items = iter(items)
    try:
        while True:
            handful = list(islice(items, handful_size(pool.sample_seconds, most)))
            wanted = [item for item in handful if not isinstance(item, Failure)]
            if handful:
                size = sum(map(size_of, wanted)) + expected * len(wanted)
                window.add(handful, pool.submit(method, wanted), size=size)
            while window.full or (len(window) and not handful):
                taken, results = window.take()
                if results:
                    # The largest, not the mean: the bound is on memory.
                    expected = max(map(size_of, results))
                yield from _matched(taken, results)
            if not handful:
                return
    finally:
        window.cancel()


def _matched(handful: list[T | Failure], results: list[Any]) -> Iterator[tuple[T | Failure, Any]]:
    """Each item with its result. Failures were not sent, and are their own."""
    following = iter(results)
    for item in handful:
        if isinstance(item, Failure):
            yield item, item
        else:
            yield item, next(following)


def size_of(value: Any) -> int:
    """Bytes that an item or result carries."""
    return int(getattr(value, "size", 0))


def lost_sample(reference: Reference, lost: Lost) -> Failure:
    """The failure of a sample that cost its worker."""
    return Failure(reference.key, Stage.DECODE, lost.reason, lost.detail, reference.url)


def handful_size(sample_seconds: float, most: int = MOST) -> int:
    """The number of samples per handful: fewer if each takes long, one before the first time is known."""
    if not sample_seconds:
        return 1
    return min(most, max(1, round(HANDFUL_SECONDS / sample_seconds)))


def handful_limit(samples: int | None, workers: int) -> int:
    """The most samples per handful, so that a task of so many samples has one for each worker.

    Else small shards would leave most workers of a large machine idle: few tasks are made at a time.
    """
    if samples is None:
        return MOST
    return min(MOST, max(1, samples // workers))
