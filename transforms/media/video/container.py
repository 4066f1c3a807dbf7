"""An open video file, as PyAV gives it: the stream to show, its packets, its start and stated end."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from schemas.records import Reason, SampleError, Stage

UNSTATED = ("mpeg", "mpegts", "mpegvideo")  # containers that do not state their length
_DEFAULT, _HAS_PACKETS = 5_000_000, 100_000_000  # bonuses in ffmpeg's choice of a stream, in pixels
_DISPLAY_MATRIX = "DISPLAYMATRIX"


def video_error(reason: Reason, detail: str) -> SampleError:
    """A failure of the stage decode."""
    return SampleError(Stage.DECODE, reason, detail)


def video_of(container: Any) -> Any:
    """The video stream that ffmpeg chooses: most pixels, with bonuses for the default and for having packets.

    Cover pictures do not count. Raises SampleError (no_frames) if there is no video.
    """
    from av.stream import Disposition

    streams = [s for s in container.streams.video if not s.disposition & Disposition.attached_pic]
    if not streams:
        kinds = ", ".join(stream.type for stream in container.streams) or "nothing"
        raise video_error(Reason.NO_FRAMES, f"no video in it, only {kinds}")

    def rank(stream: Any) -> int:
        context = stream.codec_context
        pixels = 0
        if context:
            pixels = context.height * context.width
        bonus = 0
        if stream.disposition & Disposition.default:
            bonus = _DEFAULT
        if stream.frames or stream.duration:
            bonus += _HAS_PACKETS
        return pixels + bonus

    return max(streams, key=rank)  # the first of equals


def display_matrix(frame: Any) -> list[int] | None:
    """The nine numbers of the frame's display matrix, as `transforms.media.display` reads them."""
    from av.sidedata.sidedata import Type

    data = frame.side_data.get(Type[_DISPLAY_MATRIX])
    if data is None:
        return None
    return np.frombuffer(bytes(data), np.int32)[:9].tolist()


def packets_of(container: Any, *streams: Any) -> Iterator[Any]:
    """Yield packets up to the end, or up to a place that cannot be read."""
    import av

    try:
        yield from container.demux(*streams)
    except (av.error.FFmpegError, ValueError):
        return


def stated_end(container: Any, video: Any, start: float, fps: float) -> float | None:
    """The stated length of the file, in seconds from its start; None if it states none."""
    if container.format.name in UNSTATED or not container.duration:
        return None
    if container.format.name == "avi" and video.frames and fps:
        # From the header; the duration counts only the frames that are there.
        return float(video.frames / fps)
    # Matroska counts from 0, whatever the first time is.
    before = 0.0
    if "matroska" in container.format.name:
        before = start
    return float(container.duration / 1e6 - before)


def start_of(container: Any) -> float:
    """Time 0 of the file, in seconds: ffmpeg subtracts it from every time."""
    return (container.start_time or 0) / 1e6
