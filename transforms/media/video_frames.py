"""A video file's frames for a clip: read as a stream, decoded once, only the frames that are taken kept.

Files come from anywhere. What they may do is bounded: a whitelist of containers (none that names other files) and codecs,
caps on pixels, length and time. Nothing here is shared between calls, so any number may run in threads.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import IO, TYPE_CHECKING, Any, Literal

import numpy as np
from pydantic import Field

from schemas.config import Config
from schemas.records import Reason, SampleError, Stage
from transforms.media.fit import fit
from transforms.media.mp4 import to_rgb
from transforms.media.video_sampling import FrameSampling, choose_frames

if TYPE_CHECKING:
    import av

CONTAINERS = "mov,mp4,m4a,3gp,3g2,mj2,avi,matroska,webm,mpegts,mpeg,mpegvideo,asf,flv,ogg,gif"
CODECS = (
    "h264 hevc av1 libdav1d vp8 vp9 libvpx libvpx-vp9 mpeg4 msmpeg4 msmpeg4v1 msmpeg4v2 h263 mpeg1video mpeg2video flv "
    "wmv1 wmv2 wmv3 vc1 theora mjpeg gif ffv1 huffyuv rawvideo png prores dvvideo svq3 cinepak"
)
UNSTATED = ("mpeg", "mpegts", "mpegvideo")  # containers that do not say how long they are
WHOLE = 0.9  # of the stated length must be there, but for half a second
DAMAGED = 0.1  # of the frames may be damaged
MAX_ASPECT = 20.0  # width to height or height to width
MAGIC = (
    b"RIFF",
    b"\x1aE\xdf\xa3",
    b"OggS",
    b"FLV",
    b"0&\xb2u",
    b"GIF8",
    b"\x00\x00\x01\xba",
    b"\x00\x00\x01\xb3",
)


class VideoLimits(Config):
    """What one video may cost, and what becomes of a damaged one."""

    broken: Literal["fail", "use"] = Field(
        "fail",
        description="a video that is cut off, or of which over a tenth does not decode: a failure, or use what decodes",
    )
    max_bytes: int = Field(4_000_000_000, ge=1, description="largest video file, bytes")
    max_pixels: int = Field(36_000_000, ge=1, description="largest frame, pixels")
    max_seconds: float = Field(3600.0, gt=0, le=86_400, description="longest video, seconds")
    decode_seconds: float = Field(
        300.0, gt=0, description="longest time that reading and decoding one video may take, seconds"
    )
    memory_mb: int = Field(
        2048, ge=64, le=1_000_000, description="memory that one video may take, megabytes (2**20 bytes)"
    )


@dataclass(frozen=True, slots=True, eq=False)
class VideoFrames:
    """The frames of one clip."""

    frames_THWC: np.ndarray  # uint8 RGB
    timestamps: tuple[float, ...]  # [T], seconds from the start of the file
    original_size: tuple[int, int]  # (height, width) of the first frame taken, upright, pixels
    fps: float  # as the file states it; 0 = unknown
    seconds: float  # from the start of the file to the end of the last frame


def read_frames(
    stream: IO[bytes], sampling: FrameSampling, limits: VideoLimits, *, size: int = 224
) -> VideoFrames:
    """The frames that `sampling` takes, upright, shorter side to `size` (bicubic), the square in the middle.

    `stream` must be seekable. The frames' times are first read from the container without decoding; in the rare file where
    the decoder then gives other ones, it is decoded a second time. Raises SampleError (stage decode): not_a_video,
    corrupt, truncated, no_frames, unsupported_format, too_many_pixels, bad_aspect, too_large, timeout.
    """
    reader = _Reader(stream, limits, size)
    times = reader.stated_times()
    for _ in range(2):
        wanted = choose_frames(times, reader.fps, sampling)
        taken, seen = reader.decode(set(wanted))
        if not seen:
            raise _error(Reason.NO_FRAMES, "no frame decodes")
        if choose_frames(seen, reader.fps, sampling) == wanted:
            reader.check_whole(seen)
            frames_THWC = np.stack([taken[i] for i in wanted])
            timestamps = tuple(round(seen[i], 6) for i in wanted)
            return VideoFrames(
                frames_THWC, timestamps, reader.original_size, reader.fps, round(reader.end(seen), 6)
            )
        times = seen
    raise _error(Reason.CORRUPT, "decoding it twice gives different frames")


@dataclass
class _Reader:
    """One video, opened anew for each pass."""

    stream: IO[bytes]
    limits: VideoLimits
    size: int
    fps: float = 0.0
    original_size: tuple[int, int] = (0, 0)
    _file_end: float = 0.0  # of the last packet of any stream, seconds
    _stated_end: float | None = None
    _damaged: int = 0
    _deadline: float = field(default=0.0)

    def __post_init__(self) -> None:
        self._deadline = time.monotonic() + self.limits.decode_seconds

    def stated_times(self) -> list[float]:
        """The times of showing as the packets have them, sorted; [] where some packet has none."""
        times: list[float] = []
        with self._open() as container:
            video, start = _video(container), _start(container)
            self.fps = float(video.guessed_rate or video.average_rate or 0)
            self._stated_end = _stated_end(container, video, start, self.fps)
            for packet in _packets(container):
                self._check_time()
                if (
                    packet.size
                    and packet.time_base
                    and (stamp := packet.pts if packet.pts is not None else packet.dts) is not None
                ):
                    at = float(stamp * packet.time_base) - start
                    self._file_end = max(
                        self._file_end, at + float((packet.duration or 0) * packet.time_base)
                    )
                if packet.stream.index == video.index and packet.size and not packet.is_discard:
                    if packet.pts is None or packet.time_base is None:
                        return []
                    times.append(self._checked(float(packet.pts * packet.time_base) - start))
        return sorted(times)

    def decode(self, wanted: set[int]) -> tuple[dict[int, np.ndarray], list[float]]:
        """All frames in order: the wanted ones fitted, and the times of all."""
        taken: dict[int, np.ndarray] = {}
        times: list[float] = []
        self._damaged, self.original_size = 0, (0, 0)
        with self._open() as container:
            video, start = _video(container), _start(container)
            self._prepare(video)
            for frame in self._frames(container, video):
                self._check_time()
                self._damaged += int(frame.is_corrupt)
                if len(times) in wanted:
                    taken[len(times)] = self._fitted(frame)
                after = times[-1] + (1 / self.fps if self.fps else 0.0) if times else 0.0
                times.append(self._checked(after if frame.time is None else float(frame.time) - start))
        return taken, times

    def check_whole(self, times: Sequence[float]) -> None:
        """Raises SampleError for a video that is cut off or badly damaged, unless such are to be used."""
        if self.limits.broken == "use":
            return
        end = max(self._file_end, self.end(times))
        if self._stated_end is not None and end < WHOLE * self._stated_end - 0.5:
            raise _error(Reason.TRUNCATED, f"ends after {end:.1f} of {self._stated_end:.1f} seconds")
        if self._damaged > DAMAGED * (len(times) + self._damaged):
            raise _error(Reason.CORRUPT, f"{self._damaged} damaged frames beside {len(times)}")

    def end(self, times: Sequence[float]) -> float:
        """Seconds from the start of the file to the end of the last frame."""
        return max(times) + (1 / self.fps if self.fps else 0.0)

    def _open(self) -> av.container.InputContainer:
        import av

        self.stream.seek(0)
        head = self.stream.read(12)
        self.stream.seek(0)
        if not head:
            raise _error(Reason.EMPTY_BODY, "an empty file")
        try:
            # the whitelist keeps out playlists and the like, which open further files and addresses
            return av.open(
                self.stream, "r", options={"format_whitelist": CONTAINERS, "protocol_whitelist": "none"}
            )
        except (av.error.FFmpegError, ValueError) as error:
            known = head.startswith(MAGIC) or head[4:8] in (b"ftyp", b"moov", b"mdat", b"wide", b"free")
            if known:
                raise _error(
                    Reason.CORRUPT, f"a video that cannot be opened; cut off or damaged: {_words(error)}"
                ) from None
            raise _error(Reason.NOT_A_VIDEO, f"no video of a known kind: {_words(error)}") from None

    def _prepare(self, video: Any) -> None:
        context = video.codec_context
        if context is None or context.name not in CODECS.split():
            raise _error(Reason.UNSUPPORTED_FORMAT, f"codec {context.name if context else 'unknown'}")
        self._check_size(context.height, context.width)
        context.thread_count = 1  # videos are what runs in parallel
        context.options = {"max_pixels": str(self.limits.max_pixels)}

    def _frames(self, container: Any, video: Any) -> Iterator[Any]:
        """Decoded frames; a packet that does not decode is counted and passed over, as ffmpeg does."""
        import av

        for packet in _packets(container, video):
            try:
                frames = packet.decode()
            except av.error.FFmpegError:
                self._damaged += 1
                continue
            yield from frames

    def _fitted(self, frame: Any) -> np.ndarray:
        self._check_size(frame.height, frame.width)
        image_HWC = np.rot90(to_rgb(frame), round(frame.rotation / 90) % 4)
        if self.original_size == (0, 0):
            self.original_size = (image_HWC.shape[0], image_HWC.shape[1])
        return fit(np.ascontiguousarray(image_HWC), (self.size, self.size))

    def _check_size(self, height: int, width: int) -> None:
        if height * width > self.limits.max_pixels:
            raise _error(Reason.TOO_MANY_PIXELS, f"{width}x{height}, over {self.limits.max_pixels} pixels")
        if height and width and max(height / width, width / height) > MAX_ASPECT:
            raise _error(
                Reason.BAD_ASPECT, f"{width}x{height}: longer than {MAX_ASPECT:g} times the other side"
            )

    def _checked(self, at: float) -> float:
        if at > self.limits.max_seconds:
            raise _error(Reason.TOO_LARGE, f"longer than {self.limits.max_seconds:g} seconds")
        return at

    def _check_time(self) -> None:
        if time.monotonic() > self._deadline:
            raise _error(
                Reason.TIMEOUT, f"reading and decoding took over {self.limits.decode_seconds:g} seconds"
            )


def _video(container: Any) -> Any:
    """The first video stream that moves: a cover picture in a sound file is none."""
    from av.stream import Disposition

    for stream in container.streams.video:
        if not stream.disposition & Disposition.attached_pic:
            return stream
    raise _error(
        Reason.NO_FRAMES, f"no video in it, only {', '.join(s.type for s in container.streams) or 'nothing'}"
    )


def _packets(container: Any, *streams: Any) -> Iterator[Any]:
    """Packets up to the end, or to where the file can be read no further."""
    import av

    try:
        yield from container.demux(*streams)
    except (av.error.FFmpegError, ValueError):
        return


def _stated_end(container: Any, video: Any, start: float, fps: float) -> float | None:
    """How long the file says it is, in seconds from its start; None if it does not say."""
    if container.format.name in UNSTATED or not container.duration:
        return None
    if (
        container.format.name == "avi" and video.frames and fps
    ):  # its duration is what is there, its header what there was
        return float(video.frames / fps)
    before = (
        start if "matroska" in container.format.name else 0.0
    )  # which counts from 0, whatever the first time is
    return float(container.duration / 1e6 - before)


def _start(container: Any) -> float:
    """Time 0 of the file, in seconds: what ffmpeg takes off every time in it."""
    return (container.start_time or 0) / 1e6


def _error(reason: Reason, detail: str) -> SampleError:
    return SampleError(Stage.DECODE, reason, detail)


def _words(error: Exception) -> str:
    return getattr(error, "strerror", None) or str(error)
