"""The worker processes of each kind of job.

Imports no Beam: a command starts them, and imports Beam meanwhile.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from pipelines.config import AnimateConfig, ImportConfig
from pipelines.making.clip_worker import ClipMaker
from pipelines.making.config import FrameConfig
from pipelines.workers.config import SampleLimits
from pipelines.workers.pool import WorkerPool
from pipelines.workers.shared import available_cores, release_pool, share_pool
from transforms.clip import ClipSettings
from transforms.media.video_limits import VideoLimits

CLIP_MODULES = ("pipelines.making.clip_worker",)
VIDEO_MODULES = ("pipelines.making.video_worker", "av")
GRACE = 10.0  # seconds after which a video decoder that does not heed its own deadline is ended


def clip_pool(
    settings: ClipSettings, filters: tuple[str, ...], limits: SampleLimits, workers: int | None
) -> WorkerPool:
    """This process's workers of `zoetrope animate`. Release the pool after use."""
    target = ClipMaker(settings, filters)
    return share_pool(target, limits, workers=workers or available_cores(), modules=CLIP_MODULES)


def video_pool(frames: FrameConfig, limits: VideoLimits, max_caption: int, workers: int | None) -> WorkerPool:
    """This process's workers of `zoetrope import-videos`. Release the pool after use."""
    from pipelines.making.video_worker import VideoMaker
    from storage.login import get_options

    target = VideoMaker(frames, limits, max_caption, get_options())
    hard = SampleLimits(seconds=limits.decode_seconds + GRACE, memory_mb=limits.memory_mb)
    return share_pool(target, hard, workers=workers or available_cores(), modules=VIDEO_MODULES)


@contextmanager
def workers_started(config: AnimateConfig | ImportConfig, runner_is_local: bool) -> Iterator[None]:
    """Have the workers of a job on this machine start while the block imports Beam, which takes longer than
    they do.
    """
    if not runner_is_local:
        yield
        return
    if isinstance(config, AnimateConfig):
        pool = clip_pool(config.settings, config.filters, config.limits, config.workers)
    else:
        pool = video_pool(config.frames, config.limits, config.max_caption, config.workers)
    try:
        yield
    finally:
        release_pool(pool)
