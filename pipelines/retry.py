"""Retries the failed samples of an output, and only those, as further tasks after the last one.

Its plan is kept in the output, so that an interrupted retry can continue.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

from pipelines import animate, videos
from pipelines.config import AnimateConfig, ImportConfig
from pipelines.output.folder import Output
from pipelines.output.growth.again import known_job, mark_again
from pipelines.output.job import Job
from pipelines.output.listing import list_output
from pipelines.output.prepare import source_changes
from pipelines.result import RunResult
from pipelines.retry_plan import Failures, tasks_left
from pipelines.running.stores import store_options
from pipelines.running.submit import run_job
from pipelines.sources.base import Source
from schemas.config import Config
from schemas.errors import ConfigError
from schemas.overrides import with_overrides
from schemas.records import Reason, Task
from schemas.text import counted, nearest_hint
from storage.login import set_options
from storage.uris import is_remote

LOG = logging.getLogger(__name__)


@dataclass(frozen=True)
class Kind:
    """The parts of a kind of job that a retry needs."""

    config: type[Config]
    changeable: tuple[str, ...]  # fields that change no byte of a sample
    places: tuple[str, ...]  # fields with the places of the source
    job: Callable[[Any, Sequence[str]], tuple[Job, Source, float]]  # from config and Beam's arguments


def retry(
    output: str,
    reasons: Sequence[str] = (),
    overrides: Sequence[str] = (),
    beam_args: Sequence[str] = (),
    *,
    detach: bool = False,
) -> RunResult:
    """Retry the failures of an output, or go on with a retry that was stopped.

    Raises ConfigError (no output of `animate`, not finished, another source, a field that changes bytes),
    JobError.
    """
    _check_reasons(reasons)
    set_options(store_options(beam_args))
    place = Output(output)
    kind, config = _config_of(place, overrides)
    try:
        main, source, allowed = kind.job(config, beam_args)
        changes = source_changes(place, main)
    except ConfigError as error:
        raise ConfigError(f"{error}{_relative_hint(str(error), kind, config)}") from None
    job = replace(main, tasks=lambda: retry_tasks(place, main, source, frozenset(reasons)), is_retry=True)
    if changes:
        LOG.info(f"the source has changed: {'; '.join(changes)}")
    return run_job(
        job,
        place,
        workers=config.to_dict()["workers"],
        overwrite=False,
        max_failure_ratio=allowed,
        beam_args=beam_args,
        detach=detach,
    )


def config_of(output: str, overrides: Sequence[str] = ()) -> Config:
    """The config that a retry of this output runs with. Raises ConfigError as `retry` does."""
    return _config_of(Output(output), overrides)[1]


def retry_tasks(output: Output, job: Job, source: Source, reasons: frozenset[str]) -> Iterator[Task]:
    """Yield the tasks left of a retry that was stopped, or else those of a new plan.

    The new plan is stored in the output first. Raises ConfigError if the source has another number of inputs
    and its keys count them.
    """
    listing = list_output(output)
    planned = _check_finished(output, listing.done)
    left = tasks_left(output, listing.done)
    first = next(left, None)
    if first is None:
        known = known_job(output, job, listing)
        failures = Failures(output, known, listing, planned)
        if known is job:
            _check_count(failures, job, source)
        failures.write_plan(reasons)
        if source_changes(output, job):
            mark_again(output, known, listing)
        yield from tasks_left(output, listing.done)
        return
    yield first
    yield from left


def _check_count(failures: Failures, job: Job, source: Source) -> None:
    """Keys that are row numbers mean other rows once rows were added or removed."""
    if not source.keys_are_row_numbers:
        return
    before = failures.inputs()
    now = sum(task.samples for task in job.tasks())
    if now != before:
        raise ConfigError(
            f"the source had {counted(before, 'row')} and has {now}; its keys are row numbers, so that a "
            f"retry would "
            "make other rows; undo that, or give another output"
        )


def _kinds() -> dict[str, Kind]:
    def animated(config: AnimateConfig, beam_args: Sequence[str]) -> tuple[Job, Source, float]:
        source = animate.source_of(config)
        return animate.make_job(config, source), source, animate.allowed_failures(config, source)

    def imported(config: ImportConfig, beam_args: Sequence[str]) -> tuple[Job, Source, float]:
        source = videos.source_of(config)
        return videos.make_job(config), source, config.max_failure_ratio

    common = ("workers", "max_failure_ratio", "max_failed_tasks")
    return {
        animate.KIND: Kind(AnimateConfig, ("fetch", "limits", *common), animate.PLACES, animated),
        videos.KIND: Kind(
            ImportConfig, ("limits.decode_seconds", "limits.memory_mb", *common), videos.PLACES, imported
        ),
    }


def _config_of(output: Output, overrides: Sequence[str]) -> tuple[Kind, Config]:
    kinds = _kinds()
    if not output.is_ours():
        raise ConfigError(
            f"output {output.uri}: no job has started there; give the folder that `zoetrope animate` wrote"
        )
    job = output.read_job()
    kind = kinds.get(str(job.get("kind")))
    if kind is None:
        made_by = " or ".join(f"`zoetrope {name}`" for name in kinds)
        raise ConfigError(
            f"output {output.uri}: made by `zoetrope {job.get('kind')}`; `zoetrope retry` is for what "
            f"{made_by} made"
        )
    for text in overrides:
        field = text.partition("=")[0]
        if not {field, field.split(".")[0]} & {*kind.changeable, *kind.places}:
            raise ConfigError(
                f"{field}: a retry takes only {', '.join(kind.changeable)} and {', '.join(kind.places)}"
            )
    values: dict[str, Any] = dict(job["config"])
    stored = kind.config.make({**values, "output": output.uri, "overwrite": False})
    return kind, kind.config.make(with_overrides(kind.config, stored.to_dict(), overrides))


def _relative_hint(message: str, kind: Kind, config: Config) -> str:
    """Say how a relative path is read, where the message is about a place that the config has as one."""
    source = config.to_dict()["source"]
    for place in kind.places:
        value = str(source.get(place.partition(".")[2]) or "/")
        if message.startswith(f"{place}:") and not value.startswith(("/", "~")) and not is_remote(value):
            return (
                f"; {value} is relative: retry in the folder where the job was started, or give {place}=..."
            )
    return ""


def _check_finished(output: Output, done: set[int]) -> Sequence[tuple[int, int]]:
    """The segments of the plan, whose tasks are all done."""
    plan = output.read_plan()
    left = plan.missing(done) if plan else 0
    if plan is None or left:
        raise ConfigError(
            f"output {output.uri}: its job is not finished ({left or 'all'} tasks are missing); "
            "run its command with the same config again first"
        )
    return plan.numbers()


def _check_reasons(reasons: Sequence[str]) -> None:
    known = [reason.value for reason in Reason]
    for reason in reasons:
        if reason not in known:
            raise ConfigError(f"--reason {reason}: no such reason{nearest_hint(reason, known)}")
