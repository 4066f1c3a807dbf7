"""The main job: image-caption pairs in, WebDataset clips out."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import islice
from typing import Any

from pipelines.config import AnimateConfig
from pipelines.curation.config import check_filters, check_whole, describe_filters, whole_rules
from pipelines.curation.verdicts import FOLDER
from pipelines.dry_run import LOOKED_AT, Glimpse, Plan, dry_run
from pipelines.making.clips import Animator
from pipelines.making.maker import Made, Sharing
from pipelines.making.messages import Answer, Given
from pipelines.making.pools import glimpse_pool
from pipelines.output.folder import Output
from pipelines.output.job import Job
from pipelines.result import RunResult
from pipelines.running.engine import choose_runner
from pipelines.running.stores import store_options
from pipelines.running.submit import run_job
from pipelines.sources.apart import with_limits
from pipelines.sources.base import Source, make_source, read_task
from pipelines.workers.shared import release_pool
from schemas.config import flatten
from schemas.records import Reference, Task
from schemas.text import counted
from schemas.version import VERSION
from storage.login import set_options

KIND = "animate"
# Most links of a list may be dead, but a job without one clip has failed.
LINKS_MAY_FAIL = math.nextafter(1.0, 0.0)
# Fields that change no byte of a shard.
NO_BYTES = (
    "output",
    "workers",
    "overwrite",
    "max_failure_ratio",
    "max_failed_tasks",
    "fetch",
    "limits",
    "dataset",
)
# Where the source is. Source.fingerprint describes its content, so that a corpus may be moved.
PLACES = ("source.uri", "source.annotations", "source.images")


def animate(config: AnimateConfig, beam_args: Sequence[str] = (), *, detach: bool = False) -> RunResult:
    """Run the job; `beam_args` goes to Beam as options. `detach` leaves it on a remote runner.

    Raises ConfigError (nothing was done), JobError (it cannot continue; run it again later),
    StillRunningError (it runs on without this process), KeyboardInterrupt (stopped).
    """
    set_options(store_options(beam_args))
    source = source_of(config)
    job = make_job(config, source)
    return run_job(
        job,
        Output(config.output),
        workers=config.workers,
        overwrite=config.overwrite,
        max_failure_ratio=allowed_failures(config, source),
        beam_args=beam_args,
        detach=detach,
    )


def source_of(config: AnimateConfig) -> Source:
    """The source of a config, its parsers within the limits. Raises ConfigError."""
    return with_limits(make_source(config.source, shard_samples=config.shard.max_samples), config.limits)


def make_job(config: AnimateConfig, source: Source) -> Job:
    """The job of a config, before it runs. Raises ConfigError if a filter or the source cannot be found."""
    check_filters(config.filters)
    check_whole(config.filters, is_remote=source.is_remote)
    whole = whole_rules(config.filters)
    curation: str | None = None
    growing: Source | None = source
    if whole:
        curation = Output(config.output).state(FOLDER)
        growing = None  # what these filters compare is not known of an earlier run
    tasks_at_once = 2
    if source.is_remote:
        tasks_at_once = 3  # slow hosts hold up the end of a task
    device = "none"
    if config.renders:
        device = config.device
    maker = Animator(
        source,
        config.settings,
        fetch=config.fetch,
        filters=config.filters,
        device=config.device,
        workers=config.workers,
        limits=config.limits,
        curation=curation,
    )
    return Job(
        kind=KIND,
        config=config.to_dict(),
        identity=identity(config, source),
        tasks=source.plan,
        maker=maker,
        shard=config.shard,
        tasks_at_once=tasks_at_once,
        device=device,
        makes_clips=True,
        max_failed_tasks=config.max_failed_tasks,
        whole=whole,
        source=growing,
    )


def identity(config: AnimateConfig, source: Source) -> dict[str, Any]:
    """All that can change a byte of a shard: config fields, the source's own fingerprint, the version."""
    fields = flatten(config.to_dict())
    kept = {
        name: value
        for name, value in fields.items()
        if name not in PLACES and not any(name == n or name.startswith(n + ".") for n in NO_BYTES)
    }
    if not config.source.keep:
        kept.pop("source.keep")  # outputs that are older than this field have no such name
    return {
        **kept,
        **{f"source.{name}": value for name, value in source.fingerprint().items()},
        "version": VERSION,
    }


def allowed_failures(config: AnimateConfig, source: Source) -> float:
    """`max_failure_ratio`, or the default for this kind of source."""
    if config.max_failure_ratio is not None:
        return config.max_failure_ratio
    if source.is_remote:
        return LINKS_MAY_FAIL
    return 0.05


def plan(config: AnimateConfig, beam_args: Sequence[str] = ()) -> Plan:
    """The plan of a run. Makes a few clips of local pictures to estimate bytes, and writes nothing."""
    set_options(store_options(beam_args))
    source = source_of(config)
    job = make_job(config, source)
    height, width = config.clip.hw
    choice = choose_runner(beam_args, config.workers, job.device)
    if isinstance(job.maker, Sharing):
        job.maker.shared_by(choice.processes, choice.describe())  # raises as the run would
    return dry_run(
        job,
        Output(config.output),
        lambda task: _look_at(task, source, config),
        source=config.source.kind,
        store=f"{config.store}: {counted(config.clip.frames, 'frame')} of {width}x{height}",
        runner=choice.describe(),
        cores=choice.workers,
        overwrite=config.overwrite,
        filters=describe_filters(config.filters),
    )


def _look_at(task: Task, source: Source, config: AnimateConfig) -> Glimpse:
    """The first keys, and the mean size of a sample over the first local pictures. Fetches nothing."""
    items = list(islice(read_task(source, task), LOOKED_AT))
    keys = [item.key for item in items]
    if source.is_remote:
        return Glimpse(keys, None)
    pool = glimpse_pool(config)
    try:
        given = [Given(item, item.image) for item in items if isinstance(item, Reference)]
        answers = pool.submit("make", given).result()
    finally:
        release_pool(pool)
    made = [answer.value for answer in answers if isinstance(answer, Answer)]
    return Glimpse.of(keys, [sample for sample in made if isinstance(sample, Made)])
