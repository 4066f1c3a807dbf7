"""Frames to H.264 in an MP4 and back, in memory; equal frames give equal bytes.

Colours go to limited-range YCbCr 4:2:0 by the BT.601 matrix, and the stream says so: readers that look at the tags and
readers that assume the old default (as libswscale does) both give the colours back.
"""

from __future__ import annotations

import io
from fractions import Fraction
from typing import TYPE_CHECKING, Literal

import numpy as np
from pydantic import Field

from schemas.config import Config
from schemas.text import one_line

if TYPE_CHECKING:
    import av

Preset = Literal[
    "ultrafast", "superfast", "veryfast", "faster", "fast", "medium", "slow", "slower", "veryslow"
]
# H.264 tables E-3 to E-5: 6 is SMPTE 170M, which is BT.601 for 525 lines; and 1 is MPEG's, the limited range
_SMPTE_170M, _LIMITED = 6, 1


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
    """uint8 RGB [T,h,w,3] as an MP4 that plays from its first bytes. `fps` is kept as the nearest simple fraction.

    Raises ValueError for odd sizes, no frames, or another dtype or shape.
    """
    import av
    from av.video.reformatter import Colorspace

    if (
        frames_THWC.dtype != np.uint8
        or frames_THWC.ndim != 4
        or frames_THWC.shape[3] != 3
        or not len(frames_THWC)
    ):
        raise ValueError(
            f"frames: must be uint8 of shape [T, h, w, 3], got {frames_THWC.dtype} of shape {list(frames_THWC.shape)}"
        )
    height, width = frames_THWC.shape[1:3]
    check_even((height, width), "frame size")
    rate = Fraction(fps).limit_denominator(1001)
    out = io.BytesIO()
    # Room for the index is kept at the front: it takes about 16 bytes a frame (ISO/IEC 14496-12: stsz, ctts, stts, stss, stco)
    options = {"moov_size": str(2048 + 40 * len(frames_THWC)), "fflags": "+bitexact"}
    with av.open(out, "w", format="mp4", options=options) as container:
        # Without this x264's macroblock tree takes fast paths whose sums differ between processors, and now and then between
        # two runs on one (with FFmpeg 8's x264 165, one encode in ten).
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


def decode_mp4(data: bytes, *, max_frames: int = 999, max_bytes: int = 1 << 30) -> np.ndarray:
    """Every frame of an H.264 MP4, in the order of showing, as uint8 RGB [T,h,w,3].

    At most `max_frames` frames and `max_bytes` decoded bytes are taken, so that a hostile file costs no more. Raises ValueError
    for what is no such file, is cut off, or is larger than that.
    """
    try:
        return _decode(data, max_frames, max_bytes)
    except (
        Exception
    ) as error:  # demuxers and decoders of hostile bytes raise anything; every kind means the same here
        raise ValueError(f"mp4: {one_line(error)}") from error


def _decode(data: bytes, max_frames: int, max_bytes: int) -> np.ndarray:
    import av

    frames: list[np.ndarray] = []
    # one demuxer and one decoder, so that a file cannot choose one that opens other files
    with av.open(io.BytesIO(data), "r", format="mp4", options={"codec_whitelist": "h264"}) as container:
        stream = container.streams.video[0]
        context, stated = stream.codec_context, stream.frames
        if context is None or context.name != "h264":
            raise ValueError(f"its codec is {context.name if context else 'unknown'}, not h264")
        context.thread_count = 1
        context.options = {"err_detect": "explode"}
        for frame in container.decode(stream):
            if len(frames) == max_frames or (len(frames) + 1) * frame.width * frame.height * 3 > max_bytes:
                raise ValueError(f"more than {max_frames} frames or {max_bytes} decoded bytes")
            if frames and frames[0].shape[:2] != (frame.height, frame.width):
                raise ValueError(f"frame {len(frames)} is {frame.width}x{frame.height}, unlike the first")
            frames.append(to_rgb(frame))
    if not frames or len(frames) < stated:
        raise ValueError(f"{len(frames)} of {stated} frames decode; the file is cut off or corrupt")
    return np.stack(frames)


def to_rgb(frame: av.VideoFrame) -> np.ndarray:
    """A decoded frame as uint8 RGB [h,w,3], by the colour matrix and range that it states, else BT.601 and limited."""
    from av.video.reformatter import ColorRange, Colorspace

    untagged = frame.colorspace == 2  # as BT.601, which is what small videos without a tag are
    source = Colorspace.ITU601 if untagged else None
    level = ColorRange(frame.color_range) if frame.color_range in (1, 2) else ColorRange.MPEG
    rgb = frame.reformat(
        format="rgb24", src_colorspace=source, src_color_range=level, interpolation=_accurate()
    )
    return rgb.to_ndarray()


def _accurate() -> int:
    """Scaler flags that round instead of truncating; without them colours come back a level too dark."""
    from av.video.reformatter import Interpolation

    return Interpolation.BICUBIC | Interpolation.ACCURATE_RND | Interpolation.FULL_CHR_H_INT
