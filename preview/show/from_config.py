"""The clip that a job makes for a key, by the job's own source, fetcher, filters and maker."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from preview.show.clips import load_frames
from preview.show.path import draw_path
from preview.show.result import Preview, PreviewClip
from preview.show.stills import decode_picture
from schemas.errors import ConfigError
from schemas.records import Failure, Reference, SampleError, Task
from schemas.text import one_line
from storage.configs import load_config
from storage.shards.read import RawSample
from transforms.motions import Trajectory

if TYPE_CHECKING:
    from pipelines.config import AnimateConfig
    from pipelines.sources.base import Source


def clip_of_key(config: str, key: str, overrides: Sequence[str] = (), *, path: bool = False) -> Preview:
    """Read a config for `zoetrope animate`, find the key in its source, make its clip. Nothing is written.

    Raises ConfigError, one line: the config or source is wrong, no such key, or the reason why the job fails
    on it.
    """
    from pipelines.config import AnimateConfig
    from pipelines.sources.apart import with_limits
    from pipelines.sources.base import make_source

    # A job must have an output; a preview writes none.
    settings = load_config(AnimateConfig, config, ["output=unused", *overrides])
    source = with_limits(
        make_source(settings.source, shard_samples=settings.shard.max_samples), settings.limits
    )
    try:
        task, reference = _find(source, key)
        sample = RawSample(config, key, dict(_make(source, settings, task, key)))
        picture = None
        if path:
            picture = _picture(source, settings, reference)
    except OSError as error:
        raise ConfigError(f"config {config}: the source cannot be read: {one_line(error)}") from None
    finally:
        source.close()
    meta = sample.meta()
    frames_THWC, fps = load_frames(sample)
    drawn = Trajectory(meta.motion, meta.motion_parameters, meta.quads_T42())
    over = None
    if picture is not None:
        over = draw_path(decode_picture(picture, key).image_HWC, drawn.quads_T42)
    return Preview((PreviewClip(key, frames_THWC, drawn, over),), fps)


def _find(source: Source, key: str) -> tuple[Task, Reference]:
    """The task that holds a key, narrowed to it."""
    from pipelines.sources.base import read_task

    first = None
    for task in source.plan():
        for item in read_task(source, task):
            first = first or item.key
            if item.key != key:
                continue
            if isinstance(item, Failure):
                raise ConfigError(
                    f"--key {key}: fails in the job: {item.stage}: {item.reason}: {item.detail}"
                )
            return replace(task, keys=(key,)), item
    like = ", and no inputs at all"
    if first:
        like = f"; keys look like {first}"
    raise ConfigError(f"--key {key}: the source has no such key{like}")


def _make(source: Source, settings: AnimateConfig, task: Task, key: str) -> Any:
    """The members of the sample, by the job's own maker."""
    from pipelines.making.clips import Animator
    from pipelines.making.maker import StageTimes
    from schemas.errors import JobError

    filters = tuple(entry for entry in settings.filters if isinstance(entry, str) or not entry.whole)
    maker = Animator(source, settings.settings, settings.fetch, filters, settings.device, 1, settings.limits)
    try:
        maker.setup()
        try:
            made = next(item for item in maker.make(task, StageTimes()) if item.key == key)
        finally:
            maker.close()
    except JobError as error:
        raise ConfigError(str(error)) from None
    if isinstance(made, Failure):
        raise ConfigError(f"--key {key}: fails in the job: {made.stage}: {made.reason}: {made.detail}")
    return made.members()


def _picture(source: Source, settings: AnimateConfig, reference: Reference) -> bytes:
    """The encoded picture of a reference, fetched if it must be."""
    from pipelines.fetching.fetcher import Fetcher
    from pipelines.making.clip_worker import read_reference

    if not source.is_remote:
        try:
            return read_reference(reference, settings.limits.picture_bytes)
        except SampleError as error:
            raise ConfigError(f"--key {reference.key}: {error}") from None
    fetcher = Fetcher(settings.fetch)
    try:
        data = next(fetcher.fetch_all([reference]))[1]
    finally:
        fetcher.close()
    if isinstance(data, Failure):
        raise ConfigError(f"--key {reference.key}: {data.reason}: {data.detail}")
    return data
