"""The maker of `zoetrope import-videos`: references to video files in, samples out, in input order."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from pipelines.making.clip_worker import Answer
from pipelines.making.config import FrameConfig, SampleLimits
from pipelines.making.handfuls import through_workers
from pipelines.making.maker import Made, StageTimes
from pipelines.making.pool import Lost, WorkerPool, available_cores, release_pool, share_pool
from pipelines.making.video_worker import VideoMaker
from pipelines.sources.base import Source, read_task
from schemas.records import Failure, Stage, Task
from transforms.media.video_limits import VideoLimits

MODULES = ("pipelines.making.video_worker", "av")
GRACE = 10.0  # seconds after which a decoder that does not heed its own deadline is ended


@dataclass
class VideoImporter:
    """Picklable. One video per worker process."""

    source: Source
    frames: FrameConfig
    limits: VideoLimits
    max_caption: int  # characters
    workers: int | None = None  # processes; None: one per core of the worker's machine

    def warm_up(self) -> WorkerPool:
        """Start the worker processes before anything else is loaded; release the pool after `setup`."""
        limits = SampleLimits(seconds=self.limits.decode_seconds + GRACE, memory_mb=self.limits.memory_mb)
        target = VideoMaker(self.frames, self.limits, self.max_caption)
        return share_pool(target, limits, workers=self.workers or available_cores(), modules=MODULES)

    def setup(self) -> None:
        """The worker processes."""
        self._pool = self.warm_up()

    def close(self) -> None:
        """Let go of the processes."""
        release_pool(self._pool)

    def make(self, task: Task, times: StageTimes) -> Iterator[Made | Failure]:
        """One sample or failure per input, in input order."""
        answers = through_workers(
            self._pool,
            "make",
            read_task(self.source, task),
            input_bytes=lambda reference: 0,
            result_bytes=_result_bytes,
            guess=self.frames.max_frames * self.frames.size**2 // 8,
        )
        for item, answer in answers:
            if isinstance(answer, Answer):
                times.add_all(answer.times)
                yield answer.value
            elif isinstance(answer, Lost) and not isinstance(item, Failure):
                yield Failure(item.key, Stage.DECODE, answer.reason, answer.detail, item.url)
            else:
                yield answer


def _result_bytes(answer: Answer | Lost) -> int:
    if isinstance(answer, Answer) and isinstance(answer.value, Made):
        return sum(map(len, answer.value.members.values()))
    return 0
