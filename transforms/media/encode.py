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
    """Encode each frame of uint8 RGB [T,h,w,3] or RGBX [T,h,w,4] in `config.format`.

    JPEG has 4:2:0 chroma. The fourth byte of RGBX is padding. Raises ValueError as `encode_picture` does.
    """
    return _encoded(frames_THWC, config.format, config.quality)


def encode_picture(image_HWC: np.ndarray, format: str, quality: int) -> bytes:
    """Encode uint8 RGB [h,w,3] or RGBX [h,w,4] as jpg, png or webp; `quality`, 1 to 100, is not for png.

    The fourth byte of RGBX is padding. Raises ValueError for another format, shape or dtype.
    """
    return _encoded(image_HWC[None], format, quality)[0]


def _encoded(frames_THWC: np.ndarray, format: str, quality: int) -> list[bytes]:
    shape = frames_THWC.shape[1:]
    if frames_THWC.dtype != np.uint8 or len(shape) != 3 or shape[2] not in (3, 4):
        raise ValueError(
            f"picture: must be uint8 of shape [h, w, 3 or 4], got {frames_THWC.dtype} of shape {list(shape)}"
        )
    if format == "jpg":
        order = {3: "RGB", 4: "RGBX"}[shape[2]]
        frames_THWC = np.ascontiguousarray(frames_THWC)
        return [simplejpeg.encode_jpeg(frame_HWC, quality, order, "420") for frame_HWC in frames_THWC]
    if format not in ("png", "webp"):
        raise ValueError(f"format {format!r}: must be jpg, png or webp")
    options = [cv2.IMWRITE_PNG_COMPRESSION, 4]
    if format == "webp":
        # OpenCV takes a WebP quality of 100 for lossy at its best, and only more for lossless.
        options = [cv2.IMWRITE_WEBP_QUALITY, quality]
    return [_by_opencv(frame_HWC, format, options) for frame_HWC in frames_THWC]


def _by_opencv(image_HWC: np.ndarray, format: str, options: list[int]) -> bytes:
    done, data = cv2.imencode(f".{format}", cv2.cvtColor(image_HWC[..., :3], cv2.COLOR_RGB2BGR), options)
    if not done:
        raise ValueError(f"a picture of shape {list(image_HWC.shape)} cannot be encoded as {format}")
    return data.tobytes()
