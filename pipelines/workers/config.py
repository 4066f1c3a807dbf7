"""The `limits` section of a job's config."""

from __future__ import annotations

from pydantic import Field

from schemas.config import Config


class SampleLimits(Config):
    """The limits of one sample, and of the parser that reads it from an archive or table.

    The process that makes or reads it is ended beyond that, and the sample is a failure.
    """

    seconds: float = Field(
        60.0,
        gt=0,
        le=86_400,
        description="longest time to make one sample, a user's filters included, seconds; waiting for a "
        "core of a busy machine does not count",
    )
    memory_mb: int = Field(
        2048, ge=64, le=1_000_000, description="memory that one sample may take, megabytes (2**20 bytes)"
    )
    picture_bytes: int = Field(
        256 * 1024 * 1024,
        ge=1,
        le=2_000_000_000,
        description="bytes of one encoded picture in a file, tar, zip or table; fetch.max_bytes is for URLs",
    )
