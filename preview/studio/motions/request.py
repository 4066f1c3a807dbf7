"""A request of the page for one clip: its fields and their ranges."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field

from schemas.config import Config
from transforms.settings import MAX_SIDE, MIN_SIDE

MOST_SEED = 2**53  # a page has no larger integers


class ClipRequest(Config):
    """A request of the page: one clip of one picture."""

    picture: str = Field(description="id")
    motions: list[Any] = Field(
        min_length=1, max_length=60, description="as in a config: names, or {name, weight, parameter: value}"
    )
    focus: Literal["any", "subject"] = Field("any", description="as motions.focus in a config")
    seed: int = Field(0, ge=0, le=MOST_SEED, description="the run's seed")
    frames: int = Field(12, ge=1, le=999)
    fps: float = Field(8.0, gt=0, le=240)
    width: int = Field(224, ge=MIN_SIDE, le=MAX_SIDE, description="pixels")
    height: int = Field(224, ge=MIN_SIDE, le=MAX_SIDE, description="pixels")
