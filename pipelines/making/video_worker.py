"""`zoetrope import-videos` in a worker process: a reference to a video in, a finished sample out.

Imports transforms and schemas, and no Beam, torch or pyarrow: every worker process would load it.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import Any

from pipelines.making.clip_worker import storable
from pipelines.making.config import FrameConfig
from pipelines.making.maker import Made
from pipelines.making.messages import Answer
from pipelines.sources.videos.files import open_video
from pipelines.workers.worker import is_memory_error
from schemas.clip import ClipMeta, json_member
from schemas.records import Reference, Stage, failure_of
from schemas.version import VERSION
from storage.login import set_options
from transforms.captions import normalise_all
from transforms.clip import Clip
from transforms.media.encode import encode_picture
from transforms.media.video.frames import VideoFrames, read_frames
from transforms.media.video.limits import VideoLimits
from transforms.rows import sample_row


@dataclass(frozen=True)
class VideoMaker:
    """The target of the workers.

    Picklable. Each video has a decoder of one thread, so its bytes are the same anywhere.
    """

    frames: FrameConfig
    limits: VideoLimits
    max_caption: int  # characters
    stores: dict[str, dict[str, Any]] = field(default_factory=dict)  # options of object stores

    def setup(self) -> None:
        """Keep ffmpeg from printing about broken files: failures.parquet has what is wrong with them."""
        import av

        av.logging.set_level(av.logging.PANIC)
        set_options(self.stores)

    def make(self, reference: Reference) -> Answer:
        """The sample of one video as a Made, or its Failure."""
        start = time.perf_counter()
        decoded = start
        try:
            captions = normalise_all(reference.captions, self.max_caption)
            video, sha256 = self._decode(reference)
            decoded = time.perf_counter()
            clip = _sample(storable(reference), captions, video, sha256, self.frames)
            made = Made.of(reference.key, clip.members, sample_row(clip, ""))
        except Exception as error:  # decoders of hostile bytes raise anything
            if is_memory_error(error):
                raise
            return Answer(failure_of(reference, error, Stage.DECODE), [])
        return Answer(made, [("decode", decoded - start), ("encode", time.perf_counter() - decoded)])

    def _decode(self, reference: Reference) -> tuple[VideoFrames, str]:
        with open_video(reference.path or "", self.limits.max_bytes) as (stream, sha256):
            return read_frames(stream, self.frames, self.limits, size=self.frames.size), sha256


def _sample(
    reference: Reference, captions: tuple[str, ...], video: VideoFrames, sha256: str, frames: FrameConfig
) -> Clip:
    count, height, width = video.frames_THWC.shape[:3]
    span = video.timestamps[-1] - video.timestamps[0]
    mean_fps = frames.rate
    if span > 0:
        mean_fps = round((count - 1) / span, 6)  # of the frames that are kept
    meta = ClipMeta(
        key=reference.key,
        caption=captions[0],
        captions=captions,
        source=reference.source,
        store="frames",
        frames=count,
        fps=mean_fps,
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
        version=VERSION,
        meta={**reference.meta, "source_fps": round(video.fps, 6), "seconds": video.seconds},
    )
    encoded = [encode_picture(frame_HWC, frames.format, frames.quality) for frame_HWC in video.frames_THWC]
    members = {f"{i:03d}.{frames.format}": data for i, data in enumerate(encoded)}
    return Clip({**members, "txt": meta.caption.encode(), "json": json_member(meta)}, meta)
