"""A video file, opened within bounds: known containers and codecs, caps on pixels, length, index and time.

No container that names other files is opened. Nothing is shared between readers, so any number may run in
threads.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import IO, TYPE_CHECKING, Any

import numpy as np

from schemas.records import Reason
from transforms.media.display import upright
from transforms.media.fit import fit
from transforms.media.video.container import (
    display_matrix,
    packets_of,
    start_of,
    stated_end,
    video_error,
    video_of,
)
from transforms.media.video.limits import VideoLimits
from transforms.media.video.mp4 import to_rgb
from transforms.media.video.mp4_index import IndexTooLargeError, check_index

if TYPE_CHECKING:
    import av

CONTAINERS = "mov,mp4,m4a,3gp,3g2,mj2,avi,matroska,webm,mpegts,mpeg,mpegvideo,asf,flv,ogg,gif"
CODECS = (
    "h264 hevc av1 libdav1d vp8 vp9 libvpx libvpx-vp9 mpeg4 msmpeg4 msmpeg4v1 msmpeg4v2 h263 mpeg1video "
    "mpeg2video flv wmv1 wmv2 wmv3 vc1 theora mjpeg gif ffv1 huffyuv rawvideo png prores dvvideo svq3 cinepak"
)
WHOLE = 0.9  # share of the stated length that must be there, less half a second
DAMAGED = 0.1  # share of the frames that may be damaged
MAX_ASPECT = 20.0  # of the longer side to the shorter
_MAGIC = (
    b"RIFF",
    b"\x1aE\xdf\xa3",
    b"OggS",
    b"FLV",
    b"0&\xb2u",
    b"GIF8",
    b"\x00\x00\x01\xba",
    b"\x00\x00\x01\xb3",
)
_BOXES = (b"ftyp", b"moov", b"mdat", b"wide", b"free")


@dataclass
class Shown:
    """The times of frames, in display order."""

    times: list[float] = field(default_factory=list)  # seconds from the start of the file
    durations: list[float] = field(default_factory=list)  # seconds; 0 = unknown

    def add(self, at: float, duration: float) -> None:
        """Append a frame."""
        self.times.append(at)
        self.durations.append(duration)

    def sorted(self) -> Shown:
        """The same frames by time."""
        order = np.argsort(self.times, kind="stable")
        return Shown([self.times[i] for i in order], [self.durations[i] for i in order])


@dataclass
class VideoReader:
    """One video file. Each pass opens it again."""

    stream: IO[bytes]
    limits: VideoLimits
    size: int  # side of the square frames, pixels
    fps: float = 0.0
    is_alone: bool = False  # has the file no other stream
    original_size: tuple[int, int] = (0, 0)
    _file_end: float = 0.0  # of the last packet of any stream, seconds
    _stated_end: float | None = None
    _damaged: int = 0
    _states_durations: bool = True
    _coded_duration: float = 0.0  # of a frame, by the frame rate in the video stream, seconds
    _deadline: float = field(default=0.0)

    def __post_init__(self) -> None:
        self._deadline = time.monotonic() + self.limits.decode_seconds

    def stated_times(self) -> Shown:
        """Read the times in the packets, without decoding; no frames where a packet has no time."""
        shown = Shown()
        with self._open() as container:
            video = video_of(container)
            start = start_of(container, video)
            self.is_alone = len(container.streams) == 1
            self.fps = float(video.guessed_rate or video.average_rate or 0)
            self._stated_end = stated_end(container, video, start, self.fps)
            for packet in packets_of(container, video):
                self._check_time()
                self._note_end(packet, start)
                if packet.stream.index != video.index or not packet.size or packet.is_discard:
                    continue
                if packet.pts is None or packet.time_base is None:
                    return Shown()
                at = self._checked(float(packet.pts * packet.time_base) - start)
                shown.add(at, float((packet.duration or 0) * packet.time_base))
                if packet.pts != packet.dts and container.format.name.startswith("mov"):
                    self._states_durations = False
            if not self._states_durations:
                rate = float(video.codec_context.framerate or 0)
                self._coded_duration = self._usual_duration
                if rate:
                    self._coded_duration = 1 / rate
                shown.durations = [self._coded_duration] * len(shown.times)
        return shown.sorted()

    def decode(self, wanted: set[int]) -> tuple[dict[int, np.ndarray], Shown]:
        """Decode all frames in display order. Returns the wanted ones, fitted, and the times of all."""
        taken: dict[int, np.ndarray] = {}
        shown = Shown()
        self._damaged = 0
        self.original_size = (0, 0)
        with self._open() as container:
            video = video_of(container)
            start = start_of(container, video)
            self._prepare(video)
            for frame in self._frames(container, video):
                self._check_time()
                self._damaged += int(frame.is_corrupt)
                if len(shown.times) in wanted:
                    taken[len(shown.times)] = self._fitted(frame)
                at = self._checked(self._time(frame, start, shown.times))
                shown.add(at, self._duration(frame))
        return taken, shown

    def check_whole(self, times: Sequence[float]) -> None:
        """Raise SampleError for a truncated or badly damaged video, unless `limits.broken` is "use"."""
        if self.limits.broken == "use":
            return
        end = max(self._file_end, self.end(times))
        if self._stated_end is not None and end < WHOLE * self._stated_end - 0.5:
            raise video_error(Reason.TRUNCATED, f"ends after {end:.1f} of {self._stated_end:.1f} seconds")
        if self._damaged > DAMAGED * (len(times) + self._damaged):
            raise video_error(Reason.CORRUPT, f"{self._damaged} damaged frames and {len(times)} whole ones")

    def end(self, times: Sequence[float]) -> float:
        """Seconds from the start of the file to the end of the last frame."""
        return max(times) + self._usual_duration

    def _note_end(self, packet: Any, start: float) -> None:
        stamp = packet.pts
        if stamp is None:
            stamp = packet.dts
        if stamp is not None and packet.time_base:
            end = float((stamp + (packet.duration or 0)) * packet.time_base) - start
            self._file_end = max(self._file_end, end)

    def _time(self, frame: Any, start: float, before: Sequence[float]) -> float:
        """The time of a frame; a frame without one follows the frame before it."""
        if frame.time is not None:
            return float(frame.time) - start
        if before:
            return before[-1] + self._usual_duration
        return 0.0

    @property
    def _usual_duration(self) -> float:
        if self.fps:
            return 1 / self.fps
        return 0.0

    def _duration(self, frame: Any) -> float:
        """The duration of a frame. ffmpeg 5.1 takes the coded frame rate where an MP4 reorders frames."""
        if not self._states_durations:
            return self._coded_duration
        if frame.time_base:
            return float((frame.duration or 0) * frame.time_base)
        return 0.0

    def _open(self) -> av.container.InputContainer:
        import av

        self.stream.seek(0)
        head = self.stream.read(12)
        if not head:
            raise video_error(Reason.EMPTY_BODY, "an empty file")
        try:
            check_index(self.stream)
            # The whitelists exclude playlists and other files that name further files and addresses.
            options = {"format_whitelist": CONTAINERS, "protocol_whitelist": "none"}
            return av.open(self.stream, "r", options=options)
        except IndexTooLargeError as error:
            raise video_error(Reason.TOO_LARGE, str(error)) from None
        except (av.error.FFmpegError, ValueError) as error:
            if head.startswith(_MAGIC) or head[4:8] in _BOXES:
                detail = f"a video that cannot be opened; cut off or damaged: {_words(error)}"
                raise video_error(Reason.CORRUPT, detail) from None
            raise video_error(Reason.NOT_A_VIDEO, f"no video of a known kind: {_words(error)}") from None

    def _prepare(self, video: Any) -> None:
        context = video.codec_context
        if context is None or context.name not in CODECS.split():
            name = context.name if context else "unknown"
            raise video_error(Reason.UNSUPPORTED_FORMAT, f"codec {name}")
        self._check_size(context.height, context.width)
        context.thread_count = 1  # videos are decoded in parallel
        context.options = {"max_pixels": str(self.limits.max_pixels)}

    def _frames(self, container: Any, video: Any) -> Iterator[Any]:
        """Yield decoded frames. A packet that does not decode is counted and skipped, as ffmpeg does.

        An empty packet repeats the frame before it or marks a dropped one. Decoders take it for the end of
        the stream, so it is skipped; the next frame's time shows the gap.
        """
        import av

        for packet in packets_of(container, video, video):
            if not packet.size:
                continue
            try:
                frames = packet.decode()
            except av.error.FFmpegError:
                self._damaged += 1
                continue
            yield from frames
        end = av.Packet()
        end.stream = video
        end.time_base = video.time_base
        try:
            yield from end.decode()  # the frames that the decoder holds back
        except av.error.FFmpegError:
            self._damaged += 1

    def _fitted(self, frame: Any) -> np.ndarray:
        self._check_size(frame.height, frame.width)
        image_HWC = upright(to_rgb(frame), display_matrix(frame))
        if self.original_size == (0, 0):
            self.original_size = (image_HWC.shape[0], image_HWC.shape[1])
        return fit(np.ascontiguousarray(image_HWC), (self.size, self.size))

    def _check_size(self, height: int, width: int) -> None:
        if height * width > self.limits.max_pixels:
            detail = f"{width}x{height}, over {self.limits.max_pixels} pixels"
            raise video_error(Reason.TOO_MANY_PIXELS, detail)
        if height and width and max(height / width, width / height) > MAX_ASPECT:
            detail = f"{width}x{height}: one side is over {MAX_ASPECT:g} times the other"
            raise video_error(Reason.BAD_ASPECT, detail)

    def _checked(self, at: float) -> float:
        if at > self.limits.max_seconds:
            raise video_error(Reason.TOO_LARGE, f"longer than {self.limits.max_seconds:g} seconds")
        return at

    def _check_time(self) -> None:
        if time.monotonic() > self._deadline:
            detail = f"reading and decoding took over {self.limits.decode_seconds:g} seconds"
            raise video_error(Reason.TIMEOUT, detail)


def _words(error: Exception) -> str:
    return getattr(error, "strerror", None) or str(error)
