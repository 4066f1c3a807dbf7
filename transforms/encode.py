"""Frames to JPEG, PNG or WebP bytes; equal frames give equal bytes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import cv2
import numpy as np
import simplejpeg
from pydantic import Field

from schemas.config import Config

Planes = tuple[np.ndarray, np.ndarray, np.ndarray]  # Y [h,w], Cb and Cr [ceil(h/2),ceil(w/2)], uint8, full range (JFIF)


class EncodeConfig(Config):
    """How frames and stills are encoded."""

    format: Literal["jpg", "png", "webp"] = Field("jpg", description="frames' format (store=frames); png is lossless")
    quality: int = Field(90, ge=1, le=100, description="of jpg and webp frames")
    still_quality: int = Field(95, ge=1, le=100, description="of the picture that store=still keeps, where it is reduced")


def encode_frames(frames_THWC: np.ndarray, config: EncodeConfig) -> list[bytes]:
    """Each frame of uint8 RGB [T,h,w,3] as a file in `config.format`; JPEG with 4:2:0 chroma."""
    return [encode_picture(frame_HWC, config.format, config.quality) for frame_HWC in frames_THWC]


def encode_picture(image_HWC: np.ndarray, format: str, quality: int) -> bytes:
    """One uint8 RGB [h,w,3] picture as jpg, png or webp bytes; `quality` 1..100 is not for png.

    Raises ValueError for another format, shape or dtype.
    """
    if image_HWC.dtype != np.uint8 or image_HWC.ndim != 3 or image_HWC.shape[2] != 3:
        raise ValueError(f"picture: must be uint8 of shape [h, w, 3], got {image_HWC.dtype} of shape {list(image_HWC.shape)}")
    if format == "jpg":
        return bytes(simplejpeg.encode_jpeg(np.ascontiguousarray(image_HWC), quality, "RGB", "420"))
    if format not in ("png", "webp"):
        raise ValueError(f"format {format!r}: must be jpg, png or webp")
    # OpenCV takes a WebP quality of 100 for lossy at its best, and only more for lossless
    options = [cv2.IMWRITE_WEBP_QUALITY, quality] if format == "webp" else [cv2.IMWRITE_PNG_COMPRESSION, 4]
    done, data = cv2.imencode(f".{format}", cv2.cvtColor(image_HWC, cv2.COLOR_RGB2BGR), options)
    if not done:
        raise ValueError(f"a picture of shape {list(image_HWC.shape)} cannot be encoded as {format}")
    return data.tobytes()


def encode_planes(planes: Sequence[Planes], quality: int) -> list[bytes]:
    """Each frame's YCbCr planes (4:2:0, see `Planes`) as a JPEG, without a detour over RGB. Odd sizes are fine.

    Raises ValueError if the chroma planes are not half the luma's size, rounded up.
    """
    return [_encode_planes(*frame, quality) for frame in planes]


def _encode_planes(y_HW: np.ndarray, cb_HW: np.ndarray, cr_HW: np.ndarray, quality: int) -> bytes:
    half = (-(-y_HW.shape[0] // 2), -(-y_HW.shape[1] // 2))
    if cb_HW.shape != half or cr_HW.shape != half:
        raise ValueError(f"planes: chroma of a {y_HW.shape} luma must be {half}, got {cb_HW.shape} and {cr_HW.shape}")
    y_HW, cb_HW, cr_HW = (np.ascontiguousarray(plane) for plane in (y_HW, cb_HW, cr_HW))
    return bytes(simplejpeg.encode_jpeg_yuv_planes(y_HW, cb_HW, cr_HW, quality))
