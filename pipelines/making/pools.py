"""The worker processes of each kind of job.

Imports no Beam: a command starts them, and imports Beam meanwhile.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from pipelines.config import AnimateConfig, ImportConfig
from pipelines.curation.filters import Entry
from pipelines.making.clip_worker import ClipMaker
from pipelines.making.config import FrameConfig
from pipelines.running.stores import store_options
from pipelines.workers.config import SampleLimits
from pipelines.workers.pool import WorkerPool
from pipelines.workers.shared import available_cores, release_pool, share_pool
from storage.login import get_options, set_options
from transforms.media.video.limits import VideoLimits
from transforms.settings import ClipSettings

CLIP_MODULES = ("pipelines.making.clip_worker",)
VIDEO_MODULES = ("pipelines.making.video_worker", "av")
GRACE = 10.0  # seconds after which a video decoder that does not heed its own deadline is ended


def clip_pool(
    settings: ClipSettings, filters: tuple[Entry, ...], limits: SampleLimits, workers: int | None
) -> WorkerPool:
    """This process's workers of `zoetrope animate`. Release the pool after use."""
    target = ClipMaker(settings, filters, limits.picture_bytes)
    return share_pool(target, limits, workers=workers or available_cores(), modules=CLIP_MODULES)


def video_pool(frames: FrameConfig, limits: VideoLimits, max_caption: int, workers: int | None) -> WorkerPool:
    """This process's workers of `zoetrope import-videos`. Release the pool after use."""
    from pipelines.making.video_worker import VideoMaker

    target = VideoMaker(frames, limits, max_caption, get_options())
    hard = SampleLimits(seconds=limits.decode_seconds + GRACE, memory_mb=limits.memory_mb)
    return share_pool(target, hard, workers=workers or available_cores(), modules=VIDEO_MODULES)


@contextmanager
def workers_started(
    config: AnimateConfig | ImportConfig, beam_args: Sequence[str], *, runner_is_local: bool, dry_run: bool
) -> Iterator[None]:
    """Start the workers of a job on this machine while the block imports Beam, which takes longer.

    A dry run has one worker, whatever its runner.
    """
    if not runner_is_local and not dry_run:
        yield
        return
    set_options(store_options(beam_args))  # as the job will: a pool with other options would be another pool
    if isinstance(config, ImportConfig):
        pool = video_pool(config.frames, config.limits, config.max_caption, config.workers)
    elif dry_run:
        pool = glimpse_pool(config)
    else:
        pool = clip_pool(config.settings, config.filters, config.limits, config.workers)
    try:
        yield
    finally:
        release_pool(pool)


def glimpse_pool(config: AnimateConfig) -> WorkerPool:
    """The one worker of a dry run. It makes a few clips, without filters and the models that they load."""
    return clip_pool(config.settings, (), config.limits, 1)
