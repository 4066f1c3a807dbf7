"""Pictures as a shard stores them: JPEG, PNG or WebP bytes to uint8 RGB, the size looked up first.

An EXIF orientation is not followed. The quads of a still are fractions of the picture as it is stored, and
frames are stored upright.
"""

from __future__ import annotations

import struct
from collections.abc import Callable

import numpy as np
import simplejpeg

from schemas.records import SampleError
from transforms.media.formats.jpeg import is_harmless, read_header
from transforms.media.formats.webp import webp_size
from transforms.media.opencv import decode_by_opencv
from transforms.media.pillow import decode_by_pillow

MAX_PIXELS = 100_000_000  # of one stored picture
Room = Callable[[int, int], np.ndarray]  # (height, width) -> uint8 [height,width,3] to write to


def stored_size(data: bytes) -> tuple[int, int]:
    """Read (height, width) in pixels from the header.

    Raises ValueError, also for more than MAX_PIXELS pixels.
    """
    if data[:2] == b"\xff\xd8":
        height, width = _jpeg_size(data)
    elif data[:8] == b"\x89PNG\r\n\x1a\n" and data[12:16] == b"IHDR" and len(data) >= 24:
        width, height = struct.unpack(">II", data[16:24])
    elif data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        height, width = _webp_size(data)
    else:
        raise ValueError("not a JPEG, PNG or WebP picture, or a broken one")
    if height * width > MAX_PIXELS:
        raise ValueError(f"a picture of {width}x{height} pixels is over the limit of {MAX_PIXELS}")
    return height, width


def decode_stored(data: bytes, room: Room | None = None) -> np.ndarray:
    """Decode to uint8 RGB [H,W,3]. Raises ValueError for anything but a whole JPEG, PNG or WebP picture.

    `room` gives the memory to decode to; it is asked once, after the header is checked.
    """
    height, width = stored_size(data)
    if room is None:
        image_HWC = np.empty((height, width, 3), np.uint8)
    else:
        image_HWC = room(height, width)
    if data[:2] == b"\xff\xd8":
        return _decode_jpeg(data, image_HWC)
    if data[:4] == b"RIFF":
        image_HWC[:] = _decode_webp(data, image_HWC.shape)
    else:
        image_HWC[:] = _decode_slowly(data, "png", image_HWC.shape)
    return image_HWC


def decode_stored_small(data: bytes, need: tuple[int, int]) -> np.ndarray:
    """Decode as `decode_stored` does, but a JPEG at a reduced scale.

    It is the smallest of 1/1, 1/2, 1/4 and 1/8 that still has (height, width) `need` pixels.
    """
    height, width = stored_size(data)
    scale = next((s for s in (8, 4, 2) if height >= s * need[0] and width >= s * need[1]), 1)
    if scale == 1 or data[:2] != b"\xff\xd8":
        return decode_stored(data)
    try:
        decoded: np.ndarray = simplejpeg.decode_jpeg(
            data, colorspace="RGB", min_height=-(-height // scale), min_width=-(-width // scale)
        )
    except ValueError:
        return decode_stored(data)  # it knows harmless damage
    return decoded


def _jpeg_size(data: bytes) -> tuple[int, int]:
    try:
        height, width, *_ = simplejpeg.decode_jpeg_header(data)
    except ValueError as error:
        if not is_harmless(str(error)):
            raise
        header = read_header(data)
        return header.height, header.width
    return height, width


def _decode_jpeg(data: bytes, image_HWC: np.ndarray) -> np.ndarray:
    try:
        decoded: np.ndarray = simplejpeg.decode_jpeg(data, colorspace="RGB", buffer=image_HWC)
    except ValueError as error:
        if not is_harmless(str(error)):
            raise
        image_HWC[:] = _decode_slowly(data, "jpeg", image_HWC.shape)  # every pixel is there
        return image_HWC
    return decoded


def _decode_slowly(data: bytes, kind: str, shape: tuple[int, ...]) -> np.ndarray:
    """Decode PNGs and damaged JPEGs with Pillow. libpng in OpenCV prints damage on the terminal."""
    try:
        picture = decode_by_pillow(data, kind)
    except SampleError as error:
        raise ValueError(f"a broken picture: {error.detail}") from None
    if picture.shape != shape:
        raise ValueError("a broken picture: its size is not that of its header")
    return picture


def _decode_webp(data: bytes, shape: tuple[int, ...]) -> np.ndarray:
    picture = decode_by_opencv(data)
    if picture is None or picture.shape != shape:
        raise ValueError("a broken WebP picture")
    return picture


def _webp_size(data: bytes) -> tuple[int, int]:
    try:
        return webp_size(data)
    except SampleError as error:
        raise ValueError(f"a broken WebP picture: {error.detail}") from None
