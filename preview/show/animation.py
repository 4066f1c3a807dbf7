"""Frames to GIF, WebP, MP4 or a PNG contact sheet, chosen by the ending of the file name."""

from __future__ import annotations

import io
from collections.abc import Sequence

import numpy as np
from PIL import Image

from schemas.errors import ConfigError
from transforms.stores.picking import sample_indices

ENDINGS = (".gif", ".webp", ".mp4", ".png")
SLOWEST_FPS = 0.002  # a GIF shows a frame for at most 655 seconds
GIF_FASTEST_FPS = 50.0  # browsers slow a GIF down whose frames last less than 2/100 s
PALETTE_PIXELS = 20_000  # more make k-means slow and the palette no better


def check_ending(path: str) -> str:
    """The ending of `path` in lower case. Raises ConfigError for one that is not in `ENDINGS`."""
    ending = ""
    if "." in path.rsplit("/", 1)[-1]:
        ending = "." + path.rsplit(".", 1)[-1].lower()
    if ending not in ENDINGS:
        raise ConfigError(f"output {path}: its ending must be one of {', '.join(ENDINGS)}")
    return ending


def encode_animation(frames_THWC: np.ndarray, *, fps: float, ending: str) -> bytes:
    """Encode uint8 RGB [T,H,W,3] as a looping GIF, a looping lossless WebP, an MP4, or a PNG contact sheet.

    WebP and PNG hold the pixels exactly; GIF within its palette of 255 colours, MP4 within its codec's error.
    Raises ConfigError for a speed that the kind cannot show.
    """
    _check_frames(frames_THWC)
    _check_fps(fps)
    if ending == ".gif":
        return encode_gif(frames_THWC, fps=fps)
    if ending == ".webp":
        return encode_webp(frames_THWC, fps=fps, lossless=True)
    if ending == ".mp4":
        from transforms.media.video.mp4 import encode_mp4

        return encode_mp4(_even(frames_THWC), fps=fps)
    if ending == ".png":
        from preview.show.sheets import contact_sheet

        return encode_png(contact_sheet(frames_THWC))
    raise ConfigError(f"ending {ending!r}: it must be one of {', '.join(ENDINGS)}")


def encode_png(image_HWC: np.ndarray) -> bytes:
    """Encode uint8 RGB [H,W,3] as PNG."""
    out = io.BytesIO()
    Image.fromarray(image_HWC).save(out, "PNG")
    return out.getvalue()


def encode_webp(
    frames_THWC: np.ndarray, *, fps: float, lossless: bool = False, quality: int = 75, method: int = 2
) -> bytes:
    """Encode uint8 RGB [T,H,W,3] as a looping WebP, one frame as a still WebP.

    `quality` is 0 to 100, `method` 0 (fast) to 6 (small).

    Each frame is encoded whole and put into the container here (WebP Container Specification, "Animation").
    libwebp's own animation writer drops frames that equal the one before.
    """
    stills = []
    for frame in frames_THWC:
        out = io.BytesIO()
        Image.fromarray(frame).save(out, "WEBP", lossless=lossless, quality=quality, method=method)
        stills.append(out.getvalue())
    if len(stills) == 1:
        return stills[0]
    size = (frames_THWC.shape[2] - 1).to_bytes(3, "little") + (frames_THWC.shape[1] - 1).to_bytes(3, "little")
    # Animated; no background; loops for ever.
    chunks = [_chunk(b"VP8X", b"\x02\0\0\0" + size), _chunk(b"ANIM", bytes(6))]
    for still, duration in zip(stills, frame_durations(len(stills), fps=fps, unit=1), strict=True):
        # At 0, 0; does not blend with the frame before.
        place = bytes(6) + size + duration.to_bytes(3, "little") + b"\x02"
        chunks.append(_chunk(b"ANMF", place + _bitstream(still)))
    body = b"WEBP" + b"".join(chunks)
    return b"RIFF" + len(body).to_bytes(4, "little") + body


def _chunk(name: bytes, data: bytes) -> bytes:
    return name + len(data).to_bytes(4, "little") + data + bytes(len(data) % 2)


def _bitstream(webp: bytes) -> bytes:
    """The VP8 or VP8L chunk of a still WebP."""
    at = 12
    while webp[at : at + 4] not in (b"VP8 ", b"VP8L"):
        size = int.from_bytes(webp[at + 4 : at + 8], "little")
        at += 8 + size + size % 2
    size = int.from_bytes(webp[at + 4 : at + 8], "little")
    return webp[at : at + 8 + size + size % 2]


def encode_gif(frames_THWC: np.ndarray, *, fps: float) -> bytes:
    """Encode uint8 RGB [T,H,W,3] as a looping GIF with one palette, dithered by error diffusion.

    One palette per frame would let colours jump from frame to frame, which looks like motion.
    """
    if fps > GIF_FASTEST_FPS:
        raise ConfigError(
            f"fps = {fps:g}: a GIF plays at most {GIF_FASTEST_FPS:g}; write .webp or .mp4, or lower fps"
        )
    palette = _clip_palette(frames_THWC)
    first, *rest = (
        Image.fromarray(f).quantize(palette=palette, dither=Image.Dither.FLOYDSTEINBERG) for f in frames_THWC
    )
    out = io.BytesIO()
    durations = frame_durations(len(frames_THWC), fps=fps, unit=10)
    first.save(
        out, "GIF", save_all=True, append_images=rest, duration=durations, loop=0, optimize=False, disposal=1
    )
    return out.getvalue()


def frame_durations(frames: int, *, fps: float, unit: int) -> list[int]:
    """Milliseconds per frame, a multiple of `unit` ms and at least one; the sum is exact to half a unit.

    GIF counts in 10 ms: at 12 fps a frame lasts 80 or 90 ms, and a second stays a second. Raises ConfigError.
    """
    _check_fps(fps)
    ends = [round(1000 * (i + 1) / fps / unit) for i in range(frames)]
    return [max(1, end - start) * unit for start, end in zip([0, *ends[:-1]], ends, strict=True)]


def _clip_palette(frames_THWC: np.ndarray) -> Image.Image:
    """Choose 255 colours by median cut and k-means over PALETTE_PIXELS pixels of the clip, evenly spread."""
    pixels = frames_THWC.reshape(-1, 3)
    chosen = np.linspace(0, len(pixels) - 1, min(len(pixels), PALETTE_PIXELS)).astype(int)
    return Image.fromarray(pixels[chosen][None]).quantize(255, method=Image.Quantize.MEDIANCUT, kmeans=1)


def _even(frames_THWC: np.ndarray) -> np.ndarray:
    """Repeat the last row or column of frames with odd sides: 4:2:0 video has even ones."""
    height, width = frames_THWC.shape[1:3]
    return np.pad(frames_THWC, ((0, 0), (0, height % 2), (0, width % 2), (0, 0)), mode="edge")


def _check_frames(frames_THWC: np.ndarray) -> None:
    if (
        frames_THWC.ndim != 4
        or frames_THWC.shape[-1] != 3
        or frames_THWC.dtype != np.uint8
        or not len(frames_THWC)
    ):
        raise ValueError(
            f"frames must be uint8 [T,H,W,3] with T >= 1, got {frames_THWC.dtype} {frames_THWC.shape}"
        )


def _check_fps(fps: float) -> None:
    if not fps >= SLOWEST_FPS:
        raise ConfigError(f"fps = {fps:g}: an animation shows at least {SLOWEST_FPS:g} frames a second")


def thin(frames_THWC: np.ndarray, fps: float, *, most: int) -> tuple[np.ndarray, float]:
    """Pick at most `most` frames by `sample_indices`. Returns them and the fps that keeps the duration."""
    count = len(frames_THWC)
    if count <= most:
        return frames_THWC, fps
    return frames_THWC[sample_indices(count, most)], fps * most / count


def shrink(frames_THWC: np.ndarray, *, longest: int) -> np.ndarray:
    """Shrink frames by area averaging until their longer side is at most `longest` pixels."""
    height, width = frames_THWC.shape[1:3]
    scale = longest / max(height, width)
    if scale >= 1:
        return frames_THWC
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    return np.stack([np.asarray(Image.fromarray(f).resize(size, Image.Resampling.BOX)) for f in frames_THWC])


def decode_webp(data: bytes) -> tuple[np.ndarray, Sequence[int]]:
    """Decode an animated WebP or GIF to uint8 RGB [T,H,W,3] and the durations in ms."""
    frames, durations = [], []
    with Image.open(io.BytesIO(data)) as image:
        for index in range(getattr(image, "n_frames", 1)):
            image.seek(index)
            frames.append(np.asarray(image.convert("RGB")))
            durations.append(int(image.info.get("duration", 0)))
    return np.stack(frames), durations
