"""Helpers of the tests of sources that grow."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from source_checks import source_of
from tiny_job import ROW

from pipelines.making.config import ShardConfig
from pipelines.making.maker import Made, StageTimes
from pipelines.output.folder import Output
from pipelines.output.job import Job
from pipelines.result import RunResult
from pipelines.running.submit import run_job
from pipelines.sources.base import Source, read_task
from pipelines.sources.growth.known import Known, Segment, marks_table
from schemas.records import Failure, Task


def known_of(tasks: list[Task], *, first: int = 0, after: Known | None = None, **modes) -> Known:
    """What an output knows after these tasks, the last of all."""
    marks = marks_table(mark for task in tasks for mark in task.marks)
    segment = Segment(first, len(tasks), sum(task.samples for task in tasks), marks)
    segments = (*(after.segments if after else ()), segment)
    return Known(segments, first + len(tasks), **modes)


def read_keys(source: Source, tasks: list[Task]) -> list[str]:
    """The keys of all inputs of tasks."""
    return [item.key for task in tasks for item in read_task(source, task)]


@dataclass(frozen=True)
class SmallMaker:
    """Makes samples of a few bytes from the references of a source."""

    source: Source

    def setup(self) -> None:
        pass

    def close(self) -> None:
        pass

    def make(self, task: Task, times: StageTimes) -> Iterator[Made | Failure]:
        for item in read_task(self.source, task):
            if isinstance(item, Failure):
                yield item
            else:
                text = item.captions[0].encode()
                yield Made.of(item.key, {"txt": text, "json": b"{}"}, {**ROW, "url": item.url})


def small_job(*, size: int = 2, seed: int = 0, **fields) -> Job:
    """A job over a source of these fields, with `size` inputs in a shard."""
    source = source_of(size, **fields)
    identity = {f"source.{name}": value for name, value in source.fingerprint().items()}
    config = {"store": "still", "source": {"kind": "tiny"}, "shard": {"max_samples": size}}
    shard = ShardConfig(max_samples=size)
    return Job(
        "animate", config, {"seed": seed, **identity}, source.plan, SmallMaker(source), shard, source=source
    )


def run(job: Job, output: Path) -> RunResult:
    """Run a job in this process."""
    return run_job(job, Output(str(output)), workers=1, overwrite=False, max_failure_ratio=1.0)


def shards(output: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(output.glob("*.tar"))}
