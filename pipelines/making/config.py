"""How samples are made and written: the `shard` and `frames` sections of a job's config."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from schemas.config import Config
from transforms.media.video.sampling import FrameSampling


class ShardConfig(Config):
    """How large shards get. A task that would outgrow either cap is written as several shards."""

    max_samples: int = Field(1000, ge=1, le=1_000_000, description="samples in a shard, and inputs in a task")
    max_bytes: int = Field(
        512_000_000, ge=10_240, description="bytes in a shard; a larger sample gets one of its own"
    )


class FrameConfig(FrameSampling):
    """Which frames are taken, and how they are stored."""

    size: int = Field(
        224,
        ge=16,
        le=4096,
        description="side of the square frames, pixels: shorter side to it, then the middle",
    )
    format: Literal["jpg", "png", "webp"] = Field("jpg", description="of the stored frames; png is lossless")
    quality: int = Field(90, ge=1, le=100, description="of jpg and webp frames")
