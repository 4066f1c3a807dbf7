"""The `loss` section of a training config."""

from __future__ import annotations

from pydantic import Field

from schemas.config import Config


class LossConfig(Config):
    """How the losses are put together."""

    match_weight: float = Field(
        1.0, gt=0, description="weight of the matching loss, with an interaction module"
    )
