"""Pictures of a task's inputs on their way to the workers: read ahead from stores, or fetched over HTTP."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace
from itertools import chain, count
from typing import TYPE_CHECKING, TypeGuard

from pipelines.making.handfuls import AHEAD_BYTES
from pipelines.making.maker import StageTimes
from pipelines.making.messages import Checked, Given
from pipelines.making.room import Room, read_in_room
from pipelines.sources.annotations.texts import with_captions
from schemas.records import Failure, Reference, SampleError, Stage, failure_of
from storage.ordered import in_order
from storage.uris import is_remote

if TYPE_CHECKING:
    from pipelines.fetching.fetcher import Fetcher

READERS = 16  # threads that read pictures from an object store; each waits most of the time


def read_ahead(
    items: Iterator[Checked | Failure], readers: ThreadPoolExecutor, max_bytes: int
) -> Iterator[Given | Failure]:
    """Read the pictures of object stores with several threads, each at most `max_bytes`, in input order.

    Workers read local files on their own.
    """
    # Up to the first picture in a store nothing waits, so nothing needs a thread.
    for item in items:
        if _is_in_a_store(item):
            items = chain([item], items)
            break
        yield _given_here(item)
    else:
        return
    room, numbers = Room(AHEAD_BYTES), count()

    def submit(item: Checked | Failure) -> Future[Given | Failure]:
        number = next(numbers)
        if _is_in_a_store(item):
            return readers.submit(_read_remote, item, max_bytes, room, number)
        ready: Future[Given | Failure] = Future()
        ready.set_result(_given_here(item))
        return ready

    read = in_order(submit, items, calls=2 * READERS, size_of=_reference_bytes, max_bytes=AHEAD_BYTES)
    try:
        for given in read:
            yield given
            room.next()
    finally:
        room.close()


def fetched(
    items: Iterator[Checked | Failure], fetcher: Fetcher, times: StageTimes
) -> Iterator[Given | Failure]:
    """Fetch the pictures of references, in input order; failures keep their places."""
    waiting: deque[Failure | Mapping[str, float]] = deque()  # in input order: failures, and scores

    def references() -> Iterator[Reference]:
        for item in items:
            if isinstance(item, Failure):
                waiting.append(item)
            else:
                waiting.append(item.scores)
                yield item.reference

    answers = fetcher.fetch_all(references())
    while True:
        with times.timed("fetch"):
            entry = next(answers, None)
        scores: Mapping[str, float] = {}
        while waiting:
            first = waiting.popleft()
            if not isinstance(first, Failure):
                scores = first
                break
            yield first
        if entry is None:
            return
        reference, data = entry
        if isinstance(data, Failure):
            yield replace(data, scores=scores)
        else:
            yield Given(reference, data, is_checked=True, scores=scores)


def _read_remote(item: Checked, max_bytes: int, room: Room, number: int) -> Given | Failure:
    reference = item.reference
    try:
        reference = with_captions(reference)
        data = read_in_room(reference.path or "", max_bytes, room, number)
        return Given(reference, data, scores=item.scores)
    except SampleError as error:
        return failure_of(reference, error, Stage.READ)


def _is_in_a_store(item: Checked | Failure) -> TypeGuard[Checked]:
    return isinstance(item, Checked) and item.reference.path is not None and is_remote(item.reference.path)


def _given_here(item: Checked | Failure) -> Given | Failure:
    if isinstance(item, Failure):
        return item
    return Given(item.reference, item.reference.image, scores=item.scores)


def _reference_bytes(item: Checked | Failure) -> int:
    if not isinstance(item, Checked):
        return 0
    return len(item.reference.image or b"")
