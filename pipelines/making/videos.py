"""The maker of `zoetrope import-videos`: references to video files in, samples out, in input order."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from pipelines.making.config import FrameConfig
from pipelines.making.maker import Made, StageTimes
from pipelines.running.engine import available_cores
from pipelines.sources.base import Source, read_task
from pipelines.sources.videos.files import open_video
from schemas.clip import ClipMeta
from schemas.records import Failure, Reason, Reference, SampleError, Stage, Task
from storage.ordered import in_order
from transforms.captions import normalise_all
from transforms.clip import Clip, sample_row
from transforms.media.encode import encode_picture
from transforms.media.video_frames import VideoFrames, VideoLimits, read_frames


@dataclass
class VideoImporter:
    """Picklable. Decodes one video a thread, each with a decoder of one thread, so that the bytes do not depend on either."""

    source: Source
    frames: FrameConfig
    limits: VideoLimits
    max_caption: int  # characters
    threads: int | None = None  # None: all cores of the worker's machine

    def setup(self) -> None:
        """The thread pool; and quiet, for ffmpeg prints what it thinks of broken files, which failures.parquet has."""
        import av

        av.logging.set_level(av.logging.PANIC)
        self._threads = self.threads or available_cores()
        self._pool = ThreadPoolExecutor(self._threads, thread_name_prefix="video")

    def close(self) -> None:
        """Let go of the threads."""
        self._pool.shutdown(wait=False, cancel_futures=True)

    def make(self, task: Task, times: StageTimes) -> Iterator[Made | Failure]:
        """One sample or failure an input, in input order; a bounded number of videos under way."""
        items = read_task(self.source, task)
        yield from in_order(self._pool, lambda item: self._one(item, times), items, calls=2 * self._threads)

    def _one(self, item: Reference | Failure, times: StageTimes) -> Made | Failure:
        if isinstance(item, Failure):
            return item
        try:
            captions = normalise_all(item.captions, self.max_caption)
            with (
                times.timed("decode"),
                open_video(item.path or "", self.limits.max_bytes) as (stream, sha256),
            ):
                video = read_frames(stream, self.frames, self.limits, size=self.frames.size)
            with times.timed("encode"):
                clip = _sample(item, captions, video, sha256, self.frames)
            return Made(item.key, clip.members, sample_row(clip, ""))
        except SampleError as error:
            return error.failure(item.key, item.url)
        except (
            Exception
        ) as error:  # a decoder may raise anything on hostile bytes; one video must not end the job
            return Failure(item.key, Stage.DECODE, Reason.ERROR, f"{type(error).__name__}: {error}", item.url)


def _sample(
    reference: Reference, captions: tuple[str, ...], video: VideoFrames, sha256: str, frames: FrameConfig
) -> Clip:
    from zoetrope import __version__

    count, height, width = video.frames_THWC.shape[:3]
    span = video.timestamps[-1] - video.timestamps[0]
    meta = ClipMeta(
        key=reference.key,
        caption=captions[0],
        captions=captions,
        source=reference.source,
        store="frames",
        frames=count,
        fps=round((count - 1) / span, 6)
        if span > 0
        else frames.rate,  # of the frames that are kept, on average
        width=width,
        height=height,
        kind="video",
        url=reference.url,
        image_id=reference.image_id,
        original_width=video.original_size[1],
        original_height=video.original_size[0],
        sha256=sha256,
        motion="",
        timestamps=video.timestamps,
        version=__version__,
        meta={**reference.meta, "source_fps": round(video.fps, 6), "seconds": video.seconds},
    )
    encoded = [encode_picture(frame_HWC, frames.format, frames.quality) for frame_HWC in video.frames_THWC]
    members = {f"{i:03d}.{frames.format}": data for i, data in enumerate(encoded)}
    return Clip({**members, "txt": meta.caption.encode(), "json": meta.to_json()}, meta)
