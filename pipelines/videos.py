"""The job that imports videos: real videos with captions become shards like those of `pipelines.animate`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import islice
from typing import Any

from pipelines.config import ImportConfig
from pipelines.dry_run import LOOKED_AT, Glimpse, Plan, dry_run
from pipelines.making.maker import Made, StageTimes
from pipelines.making.videos import VideoImporter
from pipelines.output.folder import Output
from pipelines.output.job import Job
from pipelines.output.pages.about import DatasetConfig
from pipelines.result import RunResult
from pipelines.running.engine import choose_runner
from pipelines.running.stores import store_options
from pipelines.running.submit import run_job
from pipelines.sources.apart import with_limits
from pipelines.sources.base import Source, make_source, read_task
from pipelines.workers.config import SampleLimits
from schemas.config import flatten
from schemas.records import Reference, Task
from schemas.text import counted
from schemas.version import VERSION
from storage.login import set_options

KIND = "import-videos"
# Fields that change no byte of a shard.
NO_BYTES = (
    "output",
    "workers",
    "overwrite",
    "max_failure_ratio",
    "max_failed_tasks",
    "limits.decode_seconds",
    "limits.memory_mb",
    *(f"dataset.{name}" for name in DatasetConfig.model_fields),
)
# Where the source is. Source.fingerprint describes its content, so that a corpus may be moved.
PLACES = ("source.videos", "source.annotations", "source.split_file")


def import_videos(config: ImportConfig, beam_args: Sequence[str] = (), *, detach: bool = False) -> RunResult:
    """Run the job; `beam_args` goes to Beam as options. `detach` leaves it on a remote runner.

    Raises ConfigError (nothing was done), JobError (it cannot continue; run it again later),
    StillRunningError (it runs on without this process), KeyboardInterrupt (stopped).
    """
    set_options(store_options(beam_args))
    return run_job(
        make_job(config),
        Output(config.output),
        workers=config.workers,
        overwrite=config.overwrite,
        max_failure_ratio=config.max_failure_ratio,
        beam_args=beam_args,
        detach=detach,
    )


def source_of(config: ImportConfig) -> Source:
    """The source of a config, its parsers within the limits. Raises ConfigError."""
    limits = SampleLimits(seconds=config.limits.decode_seconds, memory_mb=config.limits.memory_mb)
    return with_limits(make_source(config.source, shard_samples=config.shard.max_samples), limits)


def make_job(config: ImportConfig) -> Job:
    """The job of a config, before it runs. Raises ConfigError if annotations or split are not there."""
    source = source_of(config)
    maker = VideoImporter(source, config.frames, config.limits, config.max_caption, config.workers)
    return Job(
        kind=KIND,
        config=config.to_dict(),
        identity=identity(config, source),
        tasks=source.plan,
        maker=maker,
        shard=config.shard,
        max_failed_tasks=config.max_failed_tasks,
        source=source,
    )


def identity(config: ImportConfig, source: Source) -> dict[str, Any]:
    """All that can change a byte of a shard: config fields, the source's own fingerprint, the version."""
    kept = {
        name: value
        for name, value in flatten(config.to_dict()).items()
        if name not in (*NO_BYTES, *PLACES) and not name.startswith("source.")
    }
    if config.frames.seconds is None:
        kept.pop("frames.seconds")  # outputs that are older than this field have no such name
    return {
        **kept,
        **{f"source.{name}": value for name, value in source.fingerprint().items()},
        "version": VERSION,
    }


def plan(config: ImportConfig, beam_args: Sequence[str] = ()) -> Plan:
    """The plan of a run. Decodes two videos to estimate bytes, and writes nothing."""
    set_options(store_options(beam_args))
    job = make_job(config)
    frames = config.frames
    source = config.source.kind
    if config.source.split:
        source += f" {config.source.split}"
    return dry_run(
        job,
        Output(config.output),
        lambda task: _look_at(task, job),
        source=source,
        store=f"frames: at most {counted(frames.max_frames, 'frame')} of {frames.size}x{frames.size}",
        runner=choose_runner(beam_args, config.workers).describe(),
        overwrite=config.overwrite,
        known_failures=_known_failures,
    )


def _known_failures(task: Task) -> int:
    """The inputs that a plan already holds as failures, where it holds rows."""
    rows = task.payload.get("rows", ())
    return sum(isinstance(row, dict) and "reason" in row for row in rows)


def _look_at(task: Task, job: Job) -> Glimpse:
    """The first keys, and the mean bytes of a sample.

    The mean is over the first two videos that can be decoded.
    """
    maker = job.maker
    assert isinstance(maker, VideoImporter)  # noqa: S101 - narrows the type
    items = list(islice(read_task(maker.source, task), LOOKED_AT))
    videos = tuple(item.key for item in items if isinstance(item, Reference))[:2]
    maker.setup()
    try:
        made = [m for m in maker.make(replace(task, keys=videos), StageTimes()) if isinstance(m, Made)]
    finally:
        maker.close()
    return Glimpse.of([item.key for item in items], made)
