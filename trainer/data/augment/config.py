"""Random changes of clips in training, one draw per clip, so that its frames stay consistent."""

from __future__ import annotations

from pydantic import Field

from schemas.config import Config


class AugmentConfig(Config):
    """How much the frames of a clip are changed at random. The defaults change nothing."""

    crop: float = Field(
        1.0, ge=0.05, le=1, description="smallest area of a random crop, as a share of the frame; 1: no crops"
    )
    flip: float = Field(
        0.0,
        ge=0,
        le=1,
        description="probability of a mirrored clip; left and right change places in its caption and phrase",
    )
    colour: float = Field(
        0.0, ge=0, le=1, description="largest change of brightness, contrast and saturation; 0.4 is usual"
    )

    @property
    def changes(self) -> bool:
        """Is anything changed at all?"""
        return self.crop < 1 or self.flip > 0 or self.colour > 0
