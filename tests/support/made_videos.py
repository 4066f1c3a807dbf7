"""Small real videos for tests: a coloured square that moves over a grey ground, one colour a video."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import av
import numpy as np

CODECS = {"mp4": "libx264", "mkv": "libx264", "mov": "libx264", "avi": "mpeg4", "webm": "libvpx"}
COLOURS = {"red": (220, 30, 30), "green": (30, 200, 30), "blue": (30, 30, 220)}


def frame_HWC(t: float, colour: str = "red", size: tuple[int, int] = (96, 128)) -> np.ndarray:
    """The picture at t (0 to 1): the square goes from the left edge to the right."""
    frame = np.full((*size, 3), 90, np.uint8)
    side = size[0] // 3
    left = int(t * (size[1] - side))
    frame[side : 2 * side, left : left + side] = COLOURS[colour]
    return frame


def make_video(
    path: Path,
    *,
    colour: str = "red",
    frames: int = 25,
    fps: int = 25,
    times: list[float] | None = None,
    size: tuple[int, int] = (96, 128),
    options: dict[str, str] | None = None,
) -> Path:
    """Encode `frames` frames at `fps`, or at the given times in seconds (then in milliseconds exact)."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with av.open(str(path), "w", options=options or {}) as container:
        stream = container.add_stream(CODECS[path.suffix[1:]], rate=fps)
        stream.width, stream.height, stream.pix_fmt = size[1], size[0], "yuv420p"
        base = Fraction(1, 1000) if times else Fraction(1, fps)
        stream.codec_context.time_base = base
        count = len(times) if times else frames
        for i in range(count):
            frame = av.VideoFrame.from_ndarray(frame_HWC(i / max(count - 1, 1), colour, size), format="rgb24")
            frame.pts, frame.time_base = (round(times[i] * 1000) if times else i), base
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


def make_sound(path: Path) -> Path:
    """A second of silence, and no video."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream("aac", rate=16000)
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 1024), np.float32), format="fltp", layout="mono")
        frame.sample_rate, frame.pts = 16000, 0
        container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


def cut(path: Path, to: Path, share: float = 0.5) -> Path:
    """The first part of a file's bytes."""
    data = path.read_bytes()
    to.write_bytes(data[: int(len(data) * share)])
    return to
