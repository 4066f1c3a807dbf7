"""The frames of a video file for a clip: read as a stream, decoded once, and only the taken frames kept."""

from __future__ import annotations

from dataclasses import dataclass
from typing import IO

import numpy as np

from schemas.records import Reason
from transforms.media.video.container import video_error
from transforms.media.video.limits import VideoLimits
from transforms.media.video.reader import VideoReader
from transforms.media.video.sampling import FrameSampling, choose_frames


@dataclass(frozen=True, slots=True, eq=False)
class VideoFrames:
    """The frames of one clip."""

    frames_THWC: np.ndarray  # uint8 RGB
    timestamps: tuple[float, ...]  # [T], seconds from the start of the file
    original_size: tuple[int, int]  # (height, width) of the first taken frame, upright, pixels
    fps: float  # as the file states it; 0 = unknown
    seconds: float  # from the start of the file to the end of the last frame


def read_frames(
    stream: IO[bytes], sampling: FrameSampling, limits: VideoLimits, *, size: int = 224
) -> VideoFrames:
    """Decode the frames that `sampling` takes: upright, shorter side `size` (bicubic), centre square.

    `stream` must be seekable. The times of the frames are read from the container first, without decoding. In
    the rare file where the decoder gives other times, the file is decoded a second time. Raises SampleError
    (stage decode): not_a_video, corrupt, truncated, no_frames, unsupported_format, too_many_pixels,
    bad_aspect, too_large, timeout.
    """
    reader = VideoReader(stream, limits, size)
    shown = reader.stated_times()
    for _ in range(2):
        wanted = choose_frames(shown.times, reader.fps, sampling, shown.durations, reader.is_alone)
        taken, seen = reader.decode(set(wanted))
        if not seen.times:
            raise video_error(Reason.NO_FRAMES, "no frame decodes")
        if choose_frames(seen.times, reader.fps, sampling, seen.durations, reader.is_alone) == wanted:
            reader.check_whole(seen.times)
            frames_THWC = np.stack([taken[i] for i in wanted])
            timestamps = tuple(round(seen.times[i], 6) for i in wanted)
            end = round(reader.end(seen.times), 6)
            return VideoFrames(frames_THWC, timestamps, reader.original_size, reader.fps, end)
        shown = seen
    raise video_error(Reason.CORRUPT, "decoding it twice gives different frames")
