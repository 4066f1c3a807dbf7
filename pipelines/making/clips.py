"""The maker of the main job: references in, clips out.

Reads or fetches here, and makes the clips in worker processes.
"""

from __future__ import annotations

import time
from collections.abc import Generator, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, ClassVar, Self

from pipelines.curation.config import needs_pictures, surveyed, whole_rules
from pipelines.curation.filters import Entry
from pipelines.curation.verdicts import read_verdicts
from pipelines.curation.whole import Marks, judge_whole
from pipelines.fetching.config import FetchConfig
from pipelines.making.gpu import GpuError, choose_rendering
from pipelines.making.handfuls import lost_sample, through_workers
from pipelines.making.inputs import READERS, fetched, read_ahead
from pipelines.making.maker import Made, StageTimes
from pipelines.making.messages import Answer, Checked, Decoded, Given, Rendered
from pipelines.making.pools import clip_pool
from pipelines.making.render_service import GPU_BATCH, RenderService, release_service, share_service
from pipelines.sources.base import Source, checked_inputs, read_task
from pipelines.workers.arena import TaskSlots
from pipelines.workers.config import SampleLimits
from pipelines.workers.pool import Lost
from pipelines.workers.shared import release_pool
from schemas.errors import JobError
from schemas.records import Failure, Reference, SampleError, Stage, Task, failure_of
from storage.ordered import Window
from transforms.media.formats.sniff import sniff
from transforms.settings import ClipSettings

if TYPE_CHECKING:
    from pipelines.fetching.fetcher import Fetcher

AHEAD_CLIPS = 2 * GPU_BATCH  # of one task that wait for a GPU or are on one
MARKS_BYTES = 200  # of the answer of a sample that is surveyed


@dataclass
class Animator:
    """Picklable; what is heavy is made in `setup`.

    In memory per process: `AHEAD_BYTES` of pictures and finished clips, one handful per task beyond that, and
    what the fetcher holds (`fetch.ahead_bytes`). With a GPU the slots of shared memory more.
    """

    source: Source
    settings: ClipSettings
    fetch: FetchConfig = field(default_factory=FetchConfig)
    filters: tuple[Entry, ...] = ()
    device: str = "auto"
    workers: int | None = None  # processes; None: one per core of the worker's machine
    limits: SampleLimits = field(default_factory=SampleLimits)
    curation: str | None = None  # folder of what the pass over the whole input found
    makes_clips: ClassVar[bool] = True

    def setup(self) -> None:
        """Worker processes, device, fetcher. torch is loaded only where there is a GPU."""
        if self.makes_clips and self.curation is None and whole_rules(self.filters):
            raise JobError("filters over the whole input need a pass before: run `zoetrope animate`")
        self._pool = clip_pool(self.settings, self.filters, self.limits, self.workers)
        rendering = choose_rendering(self.device, self._pool.workers, renders=self.settings.renders)
        self._gpu: RenderService | None = None
        if rendering.devices:
            clip = self.settings.clip
            self._gpu = share_service(clip.hw, clip.frames, rendering.devices)
        self._readers = ThreadPoolExecutor(READERS, thread_name_prefix="read")
        self._fetcher = self._make_fetcher()
        height, width = self.settings.clip.hw
        # A first guess: JPEG takes about an eighth of the pixels.
        self._clip_bytes = self.settings.clip.frames * height * width * 3 // 8

    def close(self) -> None:
        """Let go of processes, threads and connections."""
        self.source.close()
        release_pool(self._pool)
        if self._gpu is not None:
            release_service(self._gpu)
        self._readers.shutdown(wait=False, cancel_futures=True)
        if self._fetcher is not None:
            from pipelines.fetching.shared import release_fetcher

            release_fetcher(self._fetcher)

    def interrupt(self) -> None:
        """End the calls under way, whatever they wait for. They raise JobError."""
        self.source.close()
        self._pool.close()
        if self._fetcher is not None:
            self._fetcher.close()

    def shared_by(self, workers: int | None, where: str) -> Self:
        """This maker with its share of `fetch.per_host`, for one of so many Beam workers."""
        if not self.source.is_remote:
            return self
        return replace(self, fetch=self.fetch.shared_by(workers, where))

    def inputs(self, task: Task) -> Iterator[Reference | Failure]:
        """The inputs of a task, without their pictures being fetched or decoded."""
        return read_task(self.source, task)

    def make(self, task: Task, times: StageTimes) -> Iterator[Made | Failure]:
        """One clip or failure per input, in input order."""
        given = self._given(self._judged(task), times)
        if self._gpu is None:
            yield from self._through("make", given, times, samples=task.samples)
            return
        # Decoded by the workers, rendered in batches on the GPUs, encoded by the workers.
        slots = TaskSlots(self._gpu.arena)
        decoded = self._through("prepare", self._with_slots(given, slots), times, slots, task.samples)
        rendered = self._rendered(self._gpu, decoded, task, times, slots)
        finished = self._through("finish", rendered, times, slots, task.samples)
        try:
            yield from finished
        finally:  # from the last stage to the first, each waits for the calls that it has under way
            for stage in (finished, rendered, decoded):
                stage.close()
            slots.close()

    def survey(self, task: Task) -> Iterator[tuple[str, Marks]]:
        """The key and marks of each input, for the pass over the whole input; failures have no marks."""
        nothing: Marks = (None,) * len(whole_rules(self.filters))
        given = self._unjudged(task, surveyed(self.filters))
        for item, answer in through_workers(self._pool, "survey", given, guess=MARKS_BYTES):
            if isinstance(item, Failure):
                yield item.key, nothing
            elif isinstance(answer, Answer) and isinstance(answer.value, tuple):
                yield item.reference.key, answer.value
            else:
                yield item.reference.key, nothing

    def _unjudged(self, task: Task, entries: Sequence[Entry]) -> Iterator[Given | Failure]:
        """The inputs of a task as filters need them: with their pictures if any of these needs them.

        Pictures behind URLs are not fetched.
        """
        checked = self._unchecked(task)
        if needs_pictures(entries):
            return read_ahead(checked, self._readers, self.limits.picture_bytes)
        return map(_without_picture, checked)

    def _unchecked(self, task: Task) -> Iterator[Checked | Failure]:
        """The inputs of a task, on which no filter was called."""
        for item in checked_inputs(self.source.refer(task), task):
            if isinstance(item, Reference):
                yield Checked(item)
            else:
                yield item

    def _judged(self, task: Task) -> Iterator[Checked | Failure]:
        """The inputs of a task that rules over the whole input keep, with their scores so far."""
        rules = whole_rules(self.filters)
        found = {}
        if self.curation is not None:
            found = read_verdicts(self.curation, task.index if task.origin is None else task.origin)
        for item in checked_inputs(self.source.refer(task), task):
            if isinstance(item, Failure):
                yield item
                continue
            scores: dict[str, float] = {}
            verdict = judge_whole(rules, item.key, found.get(item.key, {}), scores)
            if verdict is None:
                yield Checked(item, scores)
            else:
                yield replace(failure_of(item, verdict, Stage.FILTER), scores=scores)

    def _make_fetcher(self) -> Fetcher | None:
        if not self.source.is_remote:
            return None
        from pipelines.fetching.shared import share_fetcher  # aiohttp takes a tenth of a second to import

        return share_fetcher(self.fetch, sniff)

    def _given(self, items: Iterator[Checked | Failure], times: StageTimes) -> Iterator[Given | Failure]:
        """Each reference with its picture, or with None where a worker reads it."""
        if self._fetcher is None:
            return read_ahead(items, self._readers, self.limits.picture_bytes)
        return fetched(self._checked(items, times), self._fetcher, times)

    def _through(
        self,
        method: str,
        items: Iterator[Any],
        times: StageTimes,
        slots: TaskSlots | None = None,
        samples: int | None = None,
    ) -> Generator[Any]:
        """Call a method of `ClipMaker` on each item, in order. An item that costs its worker is a failure."""
        answers = through_workers(self._pool, method, items, guess=self._clip_bytes, samples=samples)
        for item, answer in answers:
            if isinstance(answer, Lost) and not isinstance(item, Failure):
                value: Any = lost_sample(item.reference, answer)
            elif isinstance(answer, Answer):
                times.add_all(answer.times)
                value = answer.value
            else:
                value = answer
            # A sample that has ended gives its slot back; a Decoded keeps it for its frames.
            if slots is not None and not isinstance(item, Failure) and isinstance(value, Failure | Made):
                slots.give(item.slot)
            yield value

    def _checked(self, items: Iterator[Checked | Failure], times: StageTimes) -> Iterator[Checked | Failure]:
        """The references that filters keep; a filter may hang or crash, so a worker calls it."""
        if self.filters:
            return self._through("check", items, times)
        return items

    def _with_slots(self, items: Iterator[Given | Failure], slots: TaskSlots) -> Iterator[Given | Failure]:
        """Give each sample a slot. Where all are taken, pixels and frames are sent instead."""
        for item in items:
            if isinstance(item, Given):
                yield replace(item, slot=slots.take())
            else:
                yield item

    def _rendered(
        self,
        service: RenderService,
        decoded: Iterator[Decoded | Failure],
        task: Task,
        times: StageTimes,
        slots: TaskSlots,
    ) -> Generator[Rendered | Failure]:
        """Render each clip on a GPU, in input order. A batch may hold clips of other tasks too."""
        window: Window[Decoded | Failure, Any] = Window(calls=AHEAD_CLIPS)
        nothing: Future[None] = Future()  # of a failure, which keeps its place
        nothing.set_result(None)

        def oldest() -> Rendered | Failure:
            began = time.perf_counter()
            try:
                item, frames = window.take()
            except GpuError as error:
                raise error.for_job(task.index) from error
            if isinstance(item, Failure):
                return item
            times.add("render", time.perf_counter() - began)
            if isinstance(frames, SampleError):
                slots.give(item.slot)
                return failure_of(item.reference, frames, Stage.RENDER)
            return Rendered(item.reference, item.clip, frames, "cuda", item.slot)

        try:
            for item in decoded:
                if isinstance(item, Failure):
                    window.add(item, nothing)
                else:
                    window.add(item, service.render(item.image_HWC, item.clip.quads_T42, item.slot))
                while window.full:
                    yield oldest()
            while len(window):
                yield oldest()
        finally:
            window.cancel()


def _without_picture(item: Checked | Failure) -> Given | Failure:
    if isinstance(item, Failure):
        return item
    return Given(item.reference, None)
