"""Frames to JPEG, PNG or WebP bytes; equal frames give equal bytes."""

from __future__ import annotations

from typing import Literal

import cv2
import numpy as np
import simplejpeg
from pydantic import Field

from schemas.config import Config


class EncodeConfig(Config):
    """How frames and stills are encoded."""

    format: Literal["jpg", "png", "webp"] = Field(
        "jpg", description="frames' format (store=frames); png is lossless"
    )
    quality: int = Field(90, ge=1, le=100, description="of jpg and webp frames")
    still_quality: int = Field(
        95, ge=1, le=100, description="of the picture that store=still keeps, where it is reduced"
    )
    still_for: Literal["path", "mix"] = Field(
        "path",
        description="what store=still keeps the resolution for: the stored path, or any path of `motions`, "
        "so that fresh paths in training do not magnify",
    )


def encode_frames(frames_THWC: np.ndarray, config: EncodeConfig) -> list[bytes]:
    """Encode each frame of uint8 RGB [T,h,w,3] in `config.format`; JPEG with 4:2:0 chroma."""
    return [encode_picture(frame_HWC, config.format, config.quality) for frame_HWC in frames_THWC]


def encode_picture(image_HWC: np.ndarray, format: str, quality: int) -> bytes:
    """Encode uint8 RGB [h,w,3] or RGBX [h,w,4] as jpg, png or webp; `quality`, 1 to 100, is not for png.

    The fourth byte of RGBX is padding. Raises ValueError for another format, shape or
    dtype.
    """
    if image_HWC.dtype != np.uint8 or image_HWC.ndim != 3 or image_HWC.shape[2] not in (3, 4):
        raise ValueError(
            f"picture: must be uint8 of shape [h, w, 3 or 4], got {image_HWC.dtype} "
            f"of shape {list(image_HWC.shape)}"
        )
    if format == "jpg":
        order = "RGB" if image_HWC.shape[2] == 3 else "RGBX"
        return bytes(simplejpeg.encode_jpeg(np.ascontiguousarray(image_HWC), quality, order, "420"))
    if format not in ("png", "webp"):
        raise ValueError(f"format {format!r}: must be jpg, png or webp")
    # OpenCV takes a WebP quality of 100 for lossy at its best, and only more for lossless
    options = [cv2.IMWRITE_WEBP_QUALITY, quality] if format == "webp" else [cv2.IMWRITE_PNG_COMPRESSION, 4]
    done, data = cv2.imencode(f".{format}", cv2.cvtColor(image_HWC[..., :3], cv2.COLOR_RGB2BGR), options)
    if not done:
        raise ValueError(f"a picture of shape {list(image_HWC.shape)} cannot be encoded as {format}")
    return data.tobytes()
