"""The limits on one video."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from schemas.config import Config


class VideoLimits(Config):
    """The cost that one video may have, and the use of damaged ones."""

    broken: Literal["fail", "use"] = Field(
        "fail",
        description="a video that is cut off, or of which over a tenth does not decode: a failure, or use "
        "the frames that decode",
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
