"""An open video file, as PyAV gives it: the stream to show, its packets, its start and stated end."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from schemas.records import Reason, SampleError, Stage

UNSTATED = ("mpeg", "mpegts", "mpegvideo")  # containers that do not state their length
_DEFAULT, _HAS_PACKETS = 5_000_000, 100_000_000  # bonuses in ffmpeg's choice of a stream, in pixels
_TIMES_JUMP = ("mpegts", "mpeg")  # containers of broadcasts and discs
_JUMP, _BACK = 10.0, 0.1  # seconds
_MOST = 1 << 60  # of a time that can be moved within 64 bits
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


def packets_of(container: Any, video: Any, *streams: Any) -> Iterator[Any]:
    """Yield packets of the streams, or of all, up to the end or up to a place that cannot be read.

    Jumps in the times of `video` are taken out.
    """
    import av

    steady = _Steady()
    try:
        for packet in container.demux(*streams):
            if container.format.name in _TIMES_JUMP and packet.stream.index == video.index:
                steady.correct(packet)
            yield packet
    except (av.error.FFmpegError, ValueError):
        return


class _Steady:
    """Times without jumps, for recordings that were joined byte by byte: ffmpeg's rule (process_input).

    A jump is over 10 seconds in either direction, or back by over a tenth of a second.
    """

    def __init__(self) -> None:
        self._offset = 0  # in the stream's time base
        self._last: int | None = None  # decoding time of the last packet, corrected
        self._next = 0  # the decoding time that is due

    def correct(self, packet: Any) -> None:
        """Change the times of a packet where they do not follow those of the packet before."""
        if packet.dts is None or abs(packet.dts) > _MOST or not packet.time_base:
            return
        second = float(1 / packet.time_base)
        at = packet.dts + self._offset
        if self._last is not None:
            step = at - self._next
            if abs(step) > _JUMP * second or at + _BACK * second < self._last:
                self._offset -= step
                at -= step
        if self._offset:
            packet.dts = at
            if packet.pts is not None:
                packet.pts += self._offset
        self._last, self._next = at, at + (packet.duration or 0)


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


def start_of(container: Any, video: Any) -> float:
    """Time 0 of the file, in seconds: ffmpeg subtracts it from every time.

    It is the first time of all streams. In MPEG-TS and MPEG-PS, whose times may jump, it is that of the
    streams in use, here the video: sound often starts a little earlier.
    """
    start = (container.start_time or 0) / 1e6
    if container.format.name in _TIMES_JUMP and video.start_time is not None and video.time_base:
        return max(start, float(video.start_time * video.time_base))
    return start
