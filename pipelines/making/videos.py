"""The maker of `zoetrope import-videos`: references to video files in, samples out, in input order."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from pipelines.making.config import FrameConfig
from pipelines.making.handfuls import lost_sample, through_workers
from pipelines.making.maker import Made, StageTimes
from pipelines.making.messages import Answer
from pipelines.making.pools import video_pool
from pipelines.sources.base import Source, read_task
from pipelines.workers.pool import Lost
from pipelines.workers.shared import release_pool
from schemas.records import Failure, Reference, Task
from transforms.media.video.limits import VideoLimits


@dataclass
class VideoImporter:
    """Picklable. One video per worker process."""

    source: Source
    frames: FrameConfig
    limits: VideoLimits
    max_caption: int  # characters
    workers: int | None = None  # processes; None: one per core of the worker's machine

    def setup(self) -> None:
        """The worker processes."""
        self._pool = video_pool(self.frames, self.limits, self.max_caption, self.workers)

    def close(self) -> None:
        """Let go of the processes."""
        self.source.close()
        release_pool(self._pool)

    def interrupt(self) -> None:
        """End the calls under way. They raise JobError."""
        self.source.close()
        self._pool.close()

    def inputs(self, task: Task) -> Iterator[Reference | Failure]:
        """The inputs of a task, without their videos being decoded."""
        return read_task(self.source, task)

    def make(self, task: Task, times: StageTimes) -> Iterator[Made | Failure]:
        """One sample or failure per input, in input order."""
        guess = self.frames.max_frames * self.frames.size**2 // 4
        items = read_task(self.source, task)
        for item, answer in through_workers(self._pool, "make", items, guess=guess):
            if isinstance(answer, Lost) and not isinstance(item, Failure):
                yield lost_sample(item, answer)
            elif isinstance(answer, Answer):
                times.add_all(answer.times)
                yield answer.value
            else:
                yield answer
