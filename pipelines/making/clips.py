"""The maker of the main job: references in, clips out.

Reads or fetches here, and makes the clips in worker processes.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from itertools import islice
from typing import TYPE_CHECKING, Any

from pipelines.fetching.config import FetchConfig
from pipelines.making.clip_worker import Answer, Given, Rendered, failure_of
from pipelines.making.gpu import GPU_BATCH, GpuRenderer, choose_rendering
from pipelines.making.handfuls import AHEAD_BYTES, lost_sample, through_workers
from pipelines.making.maker import Made, StageTimes
from pipelines.making.pools import clip_pool
from pipelines.sources.base import Source, read_task
from pipelines.workers.config import SampleLimits
from pipelines.workers.pool import Lost
from pipelines.workers.shared import release_pool
from schemas.records import Failure, Reference, SampleError, Stage, Task
from storage.ordered import in_order
from storage.read import read_picture
from transforms.clip import ClipSettings, Prepared
from transforms.media.formats.sniff import sniff

if TYPE_CHECKING:
    from pipelines.fetching.fetcher import Fetcher

READERS = 16  # threads that read pictures from an object store; each waits most of the time


@dataclass
class Animator:
    """Picklable; what is heavy is made in `setup`.

    In memory per process: `AHEAD_BYTES` of pictures and finished clips, one handful per task beyond that, and
    what the fetcher holds (`fetch.ahead_bytes`). With a GPU two batches of frames per task more.
    """

    source: Source
    settings: ClipSettings
    fetch: FetchConfig = field(default_factory=FetchConfig)
    filters: tuple[str, ...] = ()
    device: str = "auto"
    workers: int | None = None  # processes; None: one per core of the worker's machine
    limits: SampleLimits = field(default_factory=SampleLimits)

    def setup(self) -> None:
        """Worker processes, device, fetcher. torch is loaded only where there is a GPU."""
        self._pool = clip_pool(self.settings, self.filters, self.limits, self.workers)
        rendering = choose_rendering(self.device, self._pool.workers, renders=self.settings.renders)
        self._gpu = GpuRenderer(self.settings.clip.hw, rendering.devices) if rendering.devices else None
        self._readers = ThreadPoolExecutor(READERS, thread_name_prefix="read")
        self._fetcher = self._make_fetcher()
        height, width = self.settings.clip.hw
        self._clip_bytes = self.settings.clip.frames * height * width * 3 // 8  # a first guess

    def close(self) -> None:
        """Let go of processes, threads and connections."""
        self.source.close()
        release_pool(self._pool)
        self._readers.shutdown(wait=False, cancel_futures=True)
        if self._fetcher is not None:
            self._fetcher.close()

    def interrupt(self) -> None:
        """End the calls under way, whatever they wait for. They raise JobError."""
        self.source.close()
        self._pool.close()
        if self._fetcher is not None:
            self._fetcher.close()

    def make(self, task: Task, times: StageTimes) -> Iterator[Made | Failure]:
        """One clip or failure per input, in input order."""
        given = self._given(read_task(self.source, task), times)
        if self._gpu is None:
            yield from self._through("make", given, times)
            return
        # Decoded by the workers, rendered in batches of GPU_BATCH here, encoded by the workers.
        prepared = self._through("prepare", given, times)
        rendered = self._rendered(self._gpu, prepared, task, times)
        yield from self._through("finish", rendered, times)

    def _make_fetcher(self) -> Fetcher | None:
        if not self.source.is_remote:
            return None
        from pipelines.fetching.fetcher import Fetcher  # aiohttp takes a tenth of a second to import

        return Fetcher(self.fetch, check=sniff)

    def _given(self, items: Iterator[Reference | Failure], times: StageTimes) -> Iterator[Given | Failure]:
        """Each reference with its picture, or with None where a worker reads it."""
        if not self.source.is_remote:
            return self._read_ahead(items)
        return self._fetched(self._checked(items, times), times)

    def _through(self, method: str, items: Iterator[Any], times: StageTimes) -> Iterator[Any]:
        """Call a method of `ClipMaker` on each item, in order. An item that costs its worker is a failure."""
        for item, answer in through_workers(self._pool, method, items, guess=self._clip_bytes):
            if isinstance(answer, Lost) and not isinstance(item, Failure):
                yield lost_sample(item.reference, answer)
            elif isinstance(answer, Answer):
                times.add_all(answer.times)
                yield answer.value
            else:
                yield answer

    def _checked(
        self, items: Iterator[Reference | Failure], times: StageTimes
    ) -> Iterator[Reference | Failure]:
        """The references that a user's filters keep; a filter may hang or crash, so a worker calls it."""
        return self._through("check", items, times) if self.filters else items

    def _read_ahead(self, items: Iterator[Reference | Failure]) -> Iterator[Given | Failure]:
        """Pictures of object stores, read by several threads. Workers read local files on their own."""

        def submit(item: Reference | Failure) -> Future[Given | Failure]:
            if isinstance(item, Reference) and item.path is not None and "://" in item.path:
                return self._readers.submit(_read_remote, item, self.limits.picture_bytes)
            ready: Future[Given | Failure] = Future()
            ready.set_result(item if isinstance(item, Failure) else Given(item, item.image))
            return ready

        return in_order(submit, items, calls=2 * READERS, size_of=_reference_bytes, max_bytes=AHEAD_BYTES)

    def _fetched(self, items: Iterator[Reference | Failure], times: StageTimes) -> Iterator[Given | Failure]:
        """Fetched pictures for the references, failures in their places."""
        waiting: deque[Failure | None] = deque()  # in input order; None is the place of the next reference

        def references() -> Iterator[Reference]:
            for item in items:
                waiting.append(item if isinstance(item, Failure) else None)
                if isinstance(item, Reference):
                    yield item

        assert self._fetcher is not None  # noqa: S101 - narrows the type
        fetched = self._fetcher.fetch_all(references())
        while True:
            with times.timed("fetch"):
                entry = next(fetched, None)
            while waiting and (failure := waiting.popleft()) is not None:
                yield failure
            if entry is None:
                return
            reference, data = entry
            yield data if isinstance(data, Failure) else Given(reference, data, is_checked=True)

    def _rendered(
        self,
        gpu: GpuRenderer,
        prepared: Iterator[tuple[Reference, Prepared] | Failure],
        task: Task,
        times: StageTimes,
    ) -> Iterator[Rendered | Failure]:
        while batch := list(islice(prepared, GPU_BATCH)):
            clips = [item[1] for item in batch if not isinstance(item, Failure)]
            results = iter(gpu.render(clips, task, times))
            for item in batch:
                if isinstance(item, Failure):
                    yield item
                    continue
                result = next(results)
                if isinstance(result, SampleError):
                    yield failure_of(item[0], result, Stage.RENDER)
                else:
                    yield Rendered(item[0], replace(item[1], image_HWC=None), result, "cuda")


def _read_remote(reference: Reference, max_bytes: int) -> Given | Failure:
    try:
        return Given(reference, read_picture(reference.path or "", max_bytes))
    except SampleError as error:
        return failure_of(reference, error, Stage.READ)


def _reference_bytes(item: Reference | Failure) -> int:
    return len(item.image or b"") if isinstance(item, Reference) else 0
