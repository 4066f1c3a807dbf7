"""Frames to H.264 in an MP4 and back, in memory; equal frames give equal bytes.

Colours go to limited-range YCbCr 4:2:0 by the BT.601 matrix, and the stream says so. So the colours come back
in readers that look at the tags, and in those that assume the old default, as libswscale does.
"""

from __future__ import annotations

import io
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from fractions import Fraction
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from pydantic import Field

from schemas.config import Config
from schemas.text import one_line
from transforms.media.video.mp4_index import check_index

if TYPE_CHECKING:
    import av
    from av.video.reformatter import VideoReformatter

MAX_FRAMES = 999  # of a clip that is stored, by `clip.frames`
MAX_PIXELS = 1_000_000_000  # over all frames of a video
Pick = Callable[[int], Iterable[int]]  # number of frames -> ordinals of those to decode, in ascending order
Preset = Literal[
    "ultrafast", "superfast", "veryfast", "faster", "fast", "medium", "slow", "slower", "veryslow"
]
# H.264 tables E-3 to E-5: 6 is SMPTE 170M, which is BT.601 for 525 lines; and 1 is MPEG's, the limited range
_SMPTE_170M, _LIMITED, _FULL = 6, 1, 2
_BT601 = (2, 5, 6)  # unspecified, which is BT.601 in small videos; 625 lines; 525 lines


class VideoConfig(Config):
    """How clips are encoded for store=mp4."""

    crf: int = Field(
        18,
        ge=0,
        le=51,
        description="x264's constant rate factor; 0 = lossless, 18 = hardly visible, 51 = worst",
    )
    preset: Preset = Field("veryfast", description="x264's effort; slower is smaller")


def check_even(size: tuple[int, int], name: str = "clip.size") -> None:
    """Raise ValueError unless height and width are even, which 4:2:0 video needs."""
    if size[0] % 2 or size[1] % 2:
        raise ValueError(
            f"{name} = {list(size)}: height and width must be even for mp4; use {[n + n % 2 for n in size]}"
        )


def encode_mp4(frames_THWC: np.ndarray, fps: float, *, crf: int = 18, preset: str = "veryfast") -> bytes:
    """Encode uint8 RGB [T,h,w,3] as an MP4 with its index first. `fps` becomes the nearest simple fraction.

    Raises ValueError for odd sizes, no frames, or another dtype or shape.
    """
    import av
    from av.video.reformatter import Colorspace

    _check_frames(frames_THWC)
    height, width = frames_THWC.shape[1:3]
    check_even((height, width), "frame size")
    rate = Fraction(fps).limit_denominator(1001)  # the rates of NTSC are n/1001
    out = io.BytesIO()
    # Room for the index is kept at the front: about 16 bytes per frame (ISO/IEC 14496-12: stsz, ctts, stts,
    # stss, stco).
    options = {"moov_size": str(2048 + 40 * len(frames_THWC)), "fflags": "+bitexact"}
    with av.open(out, "w", format="mp4", options=options) as container:
        # Without this x264's macroblock tree takes fast paths whose sums differ between processors, and now
        # and then between two runs on one (with FFmpeg 8's x264 165, one encode in ten).
        exact = {"threads": "1", "x264-params": "cpu-independent=1"}
        stream = container.add_stream(
            "libx264", rate=rate, options={"crf": str(crf), "preset": preset, **exact}
        )
        stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
        context = stream.codec_context
        context.time_base = 1 / rate
        context.colorspace = context.color_primaries = context.color_trc = _SMPTE_170M
        context.color_range = _LIMITED
        context.flags |= av.codec.context.Flags.bitexact
        for index, frame_HWC in enumerate(frames_THWC):
            rgb = av.VideoFrame.from_ndarray(np.ascontiguousarray(frame_HWC), format="rgb24")
            frame = rgb.reformat(
                format="yuv420p",
                dst_colorspace=Colorspace.ITU601,
                dst_color_range=_LIMITED,
                interpolation=_accurate(),
            )
            frame.pts, frame.time_base = index, 1 / rate
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return out.getvalue()


def _check_frames(frames_THWC: np.ndarray) -> None:
    is_video = frames_THWC.ndim == 4 and frames_THWC.shape[3] == 3 and len(frames_THWC) > 0
    if frames_THWC.dtype != np.uint8 or not is_video:
        raise ValueError(
            f"frames: must be uint8 of shape [T, h, w, 3], got {frames_THWC.dtype} "
            f"of shape {list(frames_THWC.shape)}"
        )


def decode_mp4(data: bytes, *, max_frames: int = MAX_FRAMES, max_pixels: int = MAX_PIXELS) -> np.ndarray:
    """Decode every frame of an H.264 MP4, in display order, to uint8 RGB [T,h,w,3].

    Raises ValueError, as `iter_mp4`.
    """
    return np.stack(list(iter_mp4(data, max_frames=max_frames, max_pixels=max_pixels)))


def iter_mp4(
    data: bytes, pick: Pick = range, *, max_frames: int = MAX_FRAMES, max_pixels: int = MAX_PIXELS
) -> Iterator[np.ndarray]:
    """Decode an H.264 MP4 and yield the picked frames, in display order, as uint8 RGB [h,w,3].

    `pick` maps the number of frames to the ordinals to yield, in ascending order; only those are converted to
    RGB. The number of frames is read from the packets before anything is decoded. Raises ValueError for other
    files, for damaged or truncated ones, and for more than `max_frames` frames or `max_pixels` pixels over
    all frames.
    """
    try:
        yield from _decoded(data, pick, max_frames, max_pixels)
    except Exception as error:  # demuxers and decoders raise many kinds of error on hostile bytes
        raise ValueError(f"mp4: {one_line(error)}") from error


def _decoded(data: bytes, pick: Pick, max_frames: int, max_pixels: int) -> Iterator[np.ndarray]:
    import av

    check_index(io.BytesIO(data))
    # The demuxer, the protocol and the decoder are named, so that a file cannot choose one that opens other
    # files.
    options = {"protocol_whitelist": "none", "codec_whitelist": "h264"}
    with av.open(io.BytesIO(data), "r", format="mp4", options=options) as container:
        if not container.streams.video:
            raise ValueError("it has no video stream")
        stream = container.streams.video[0]
        context, stated = stream.codec_context, stream.frames
        if context is None or context.name != "h264":
            raise ValueError(f"its codec is {context.name if context else 'unknown'}, not h264")
        _check_work(stated, context.height, context.width, max_frames, max_pixels)
        context.thread_count = 1
        context.options = {"err_detect": "explode", "max_pixels": str(max_pixels)}
        packets = [packet for packet in container.demux(stream) if packet.size]
        if len(packets) < stated:
            raise ValueError(f"{len(packets)} of {stated} frames are there; the file is cut off or corrupt")
        shown = sum(not packet.is_discard for packet in packets)
        _check_work(shown, context.height, context.width, max_frames, max_pixels)
        yield from _picked(context, packets, shown, pick)


def _picked(context: Any, packets: Sequence[Any], count: int, pick: Pick) -> Iterator[np.ndarray]:
    """Decode packets that hold `count` frames and convert the picked ones."""
    from av.video.reformatter import VideoReformatter

    reformatter = VideoReformatter()
    wanted = Counter(int(ordinal) for ordinal in pick(count))
    decoded = 0
    size = None
    for frame in _frames(context, packets):
        size = size or (frame.height, frame.width)
        if (frame.height, frame.width) != size:
            raise ValueError(f"frame {decoded} is {frame.width}x{frame.height}, unlike the first")
        if wanted[decoded]:
            if _is_usual(frame):
                rgb_HWC = _fast_rgb(frame)
            else:
                rgb_HWC = to_rgb(frame, reformatter)
            yield from (rgb_HWC for _ in range(wanted[decoded]))
        decoded += 1
    if not decoded or decoded != count:
        raise ValueError(f"{decoded} of {count} frames decode; the file is cut off or corrupt")


def _frames(context: Any, packets: Sequence[Any]) -> Iterator[Any]:
    for packet in packets:
        yield from context.decode(packet)
    yield from context.decode(None)


def _is_usual(frame: av.VideoFrame) -> bool:
    """Is this 8-bit 4:2:0 by BT.601 and limited range, as `encode_mp4` writes it?"""
    even = frame.width % 2 == 0 and frame.height % 2 == 0
    return (
        even and frame.format.name == "yuv420p" and frame.colorspace in _BT601 and frame.color_range != _FULL
    )


def _fast_rgb(frame: av.VideoFrame) -> np.ndarray:
    """Convert a usual frame by OpenCV, in a tenth of the time that swscale takes for exact rounding."""
    import cv2

    rgb_HWC: np.ndarray = cv2.cvtColor(frame.to_ndarray(), cv2.COLOR_YUV2RGB_I420)
    return rgb_HWC


def _check_work(frames: int, height: int, width: int, max_frames: int, max_pixels: int) -> None:
    """Raise ValueError for a video that takes too long to decode. A few kilobytes can hold hours of black."""
    if frames > max_frames:
        raise ValueError(f"more than {max_frames} frames")
    if frames * height * width > max_pixels:
        raise ValueError(
            f"{frames} frames of {width}x{height}: more than {max_pixels} pixels over its frames"
        )


def to_rgb(frame: av.VideoFrame, reformatter: VideoReformatter | None = None) -> np.ndarray:
    """Convert a decoded frame to uint8 RGB [h,w,3] by the colour matrix and range that it states.

    The default is BT.601 and limited range. A `reformatter` that is shared by the frames of a video saves
    time.
    """
    from av.video.reformatter import ColorRange, Colorspace, VideoReformatter

    untagged = frame.colorspace == 2  # small videos without a tag are BT.601
    source = Colorspace.ITU601 if untagged else None
    level = ColorRange.MPEG
    if frame.color_range in (1, 2):
        level = ColorRange(frame.color_range)
    rgb = (reformatter or VideoReformatter()).reformat(
        frame,
        format="rgb24",
        src_colorspace=source,
        src_color_range=level,
        interpolation=_accurate(),
        threads=1,  # clips are decoded in parallel
    )
    return rgb.to_ndarray()


def _accurate() -> int:
    """Scaler flags that round instead of truncating; without them colours come back a level too dark."""
    from av.video.reformatter import Interpolation

    return Interpolation.BICUBIC | Interpolation.ACCURATE_RND | Interpolation.FULL_CHR_H_INT
