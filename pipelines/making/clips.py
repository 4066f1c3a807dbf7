"""The maker of the main job: references in, clips out. Reads or fetches, decodes, renders, encodes, in input order."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from itertools import islice
from typing import Any

from pipelines.fetching.config import FetchConfig
from pipelines.fetching.fetcher import Fetcher
from pipelines.making.filters import load_filters
from pipelines.making.gpu import GPU_BATCH, GpuRenderer, worker_device
from pipelines.making.maker import Made, StageTimes
from pipelines.running.engine import available_cores
from pipelines.sources.base import Source, read_task
from schemas.errors import JobError
from schemas.records import Failure, Reason, Reference, SampleError, Stage, Task
from storage.ordered import in_order
from storage.read import read_picture
from transforms.clip import ClipSettings, Prepared, finish, prepare, render_clip, sample_row

HANDFUL = 4  # samples that a thread of the pool takes at a time
Given = (
    tuple[Reference, bytes | None] | Failure
)  # a reference and its picture (None: to be read from its path)


@dataclass
class Animator:
    """Picklable; what is heavy is made in `setup`.

    In memory per worker: at most ``4 * (threads + 2)`` samples between reading and writing for each task under way (with a
    GPU a batch more), and what the fetcher holds ahead (`fetch.ahead_bytes`).
    """

    source: Source
    settings: ClipSettings
    fetch: FetchConfig = field(default_factory=FetchConfig)
    filters: tuple[str, ...] = ()
    device: str = "auto"
    threads: int | None = None  # None: all cores of the worker's machine

    def setup(self) -> None:
        """Thread pool, device, filters. torch is loaded only where there is a GPU."""
        from transforms.rendering.render import prepare_worker

        prepare_worker()  # samples are what runs in parallel
        self._threads = self.threads or available_cores()
        self._pool = ThreadPoolExecutor(self._threads, thread_name_prefix="sample")
        self._filters = load_filters(self.filters)
        self._device = worker_device(self.device)
        self._gpu = GpuRenderer(self.settings.clip.hw, self._device)
        self._fetcher: Fetcher | None = Fetcher(self.fetch) if self.source.is_remote else None

    def close(self) -> None:
        """Let go of threads and connections."""
        self._pool.shutdown(wait=False, cancel_futures=True)
        if self._fetcher is not None:
            self._fetcher.close()

    def make(self, task: Task, times: StageTimes) -> Iterator[Made | Failure]:
        """One clip or failure an input, in input order."""
        given = self._fetched(self._filtered(read_task(self.source, task)), times)
        if self._device == "cpu" or not self.settings.renders:
            yield from self._in_order(given, lambda item: self._one(item, times))
        else:
            yield from self._on_gpu(given, task, times)

    def _filtered(self, items: Iterator[Reference | Failure]) -> Iterator[Reference | Failure]:
        for item in items:
            if isinstance(item, Reference):
                try:
                    self._filters.check_reference(item)
                except Exception as error:
                    item = _failure(item, error, Stage.FILTER)
            yield item

    def _fetched(self, items: Iterator[Reference | Failure], times: StageTimes) -> Iterator[Given]:
        """Pictures for the references, failures in their places."""
        if self._fetcher is None:
            yield from (item if isinstance(item, Failure) else (item, item.image) for item in items)
            return
        waiting: deque[Failure | None] = deque()  # in input order; None stands for the next fetched reference

        def references() -> Iterator[Reference]:
            for item in items:
                waiting.append(item if isinstance(item, Failure) else None)
                if isinstance(item, Reference):
                    yield item

        fetched = self._fetcher.fetch_all(references())
        while True:
            with times.timed("fetch"):
                entry = next(fetched, None)
            while waiting and (failure := waiting.popleft()) is not None:
                yield failure
            if entry is None:
                return
            reference, data = entry
            yield data if isinstance(data, Failure) else (reference, data)

    def _one(self, item: Given, times: StageTimes) -> Made | Failure:
        """The whole way of one sample, in a thread of the pool."""
        prepared = self._prepare(item, times)
        if isinstance(prepared, Failure):
            return prepared
        reference, clip = prepared
        try:
            with times.timed("render"):
                frames_THWC = render_clip(clip, device="cpu")
        except Exception as error:
            return _failure(reference, error, Stage.RENDER)
        return self._encode(reference, clip, frames_THWC, "cpu", times)

    def _prepare(self, item: Given, times: StageTimes) -> tuple[Reference, Prepared] | Failure:
        if isinstance(item, Failure):
            return item
        reference, data = item
        stage = Stage.READ
        try:
            if data is None:
                with times.timed("read"):
                    data = read_reference(reference)
            stage = Stage.DECODE
            with times.timed("decode"):
                self._check_picture(reference, data)
                return reference, prepare(data, reference, self.settings)
        except Exception as error:
            return _failure(reference, error, stage)

    def _check_picture(self, reference: Reference, data: bytes) -> None:
        if self._filters.on_pictures:
            from transforms.media.pictures import decode

            self._filters.check_picture(reference, decode(data, self.settings.pictures))

    def _encode(
        self, reference: Reference, clip: Prepared, frames_THWC: Any, device: str, times: StageTimes
    ) -> Made | Failure:
        try:
            with times.timed("encode"):
                done = finish(clip, frames_THWC, self.settings, device=device)
                return Made(reference.key, done.members, sample_row(done, ""))
        except Exception as error:
            return _failure(reference, error, Stage.ENCODE)

    def _on_gpu(self, given: Iterator[Given], task: Task, times: StageTimes) -> Iterator[Made | Failure]:
        """Decoded in the pool, rendered in batches of GPU_BATCH here, encoded in the pool."""
        prepared = self._in_order(given, lambda item: self._prepare(item, times), ahead=2 * GPU_BATCH)
        rendered = self._rendered(prepared, task, times)
        return self._in_order(
            rendered,
            lambda item: (
                item
                if isinstance(item, Failure)
                else self._encode(item[0], item[1], item[2], self._device, times)
            ),
        )

    def _rendered(
        self, prepared: Iterator[tuple[Reference, Prepared] | Failure], task: Task, times: StageTimes
    ) -> Iterator[tuple[Reference, Prepared, Any] | Failure]:
        while batch := list(islice(prepared, GPU_BATCH)):
            results = iter(
                self._gpu.render([item[1] for item in batch if not isinstance(item, Failure)], task, times)
            )
            for item in batch:
                if isinstance(item, Failure):
                    yield item
                    continue
                result = next(results)
                yield (
                    _failure(item[0], result, Stage.RENDER)
                    if isinstance(result, SampleError)
                    else (*item, result)
                )

    def _in_order(self, items: Iterator[Any], call: Callable[[Any], Any], ahead: int = 0) -> Iterator[Any]:
        """`call` on each item in the pool, results in the items' order, a bounded number under way.

        Items go to the pool by HANDFUL: waking threads for each one costs a twelfth of a clip's time.
        """
        calls = (ahead or HANDFUL * (self._threads + 2)) // HANDFUL
        handfuls = iter(lambda: list(islice(items, HANDFUL)), [])
        for results in in_order(self._pool, lambda handful: _each(call, handful), handfuls, calls=calls):
            yield from results


def _each(call: Callable[[Any], Any], items: list[Any]) -> list[Any]:
    return [call(item) for item in items]


def read_reference(reference: Reference) -> bytes:
    """The encoded picture of a reference that need not be fetched. Raises SampleError (stage read)."""
    if reference.image is not None:
        return reference.image
    if reference.path is None:
        raise SampleError(
            Stage.READ, Reason.MISSING_IMAGE, "the source gave neither a picture, a path nor a url to fetch"
        )
    return read_picture(reference.path)


def _failure(reference: Reference, error: Exception, stage: Stage) -> Failure:
    if isinstance(error, JobError):
        raise error
    if isinstance(error, SampleError):
        return error.failure(reference.key, reference.url)
    return Failure(reference.key, stage, Reason.ERROR, f"{type(error).__name__}: {error}", reference.url)
