"""Draw how a clip is changed: crop, mirror, colours. One draw per clip keeps its frames consistent."""

from __future__ import annotations

import math

import numpy as np
from pydantic import Field

from schemas.config import Config

# A row: left, top, width and height of the crop in fractions of the frame, mirrored (0 or 1), and the factors
# of brightness, contrast and saturation.
UNCHANGED = (0.0, 0.0, 1.0, 1.0, 0.0, 1.0, 1.0, 1.0)
_ASPECT = 4.0 / 3.0  # of the widest crop; torchvision's RandomResizedCrop has the same range
MIRRORED = 4  # place in a row


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


def draw_changes(config: AugmentConfig, seed: int, *, may_mirror: bool = True) -> np.ndarray:
    """Draw the changes of one clip as a row of float32 [8].

    Every change uses random numbers of its own, so that a setting of one does not alter the others.
    """
    uniform = np.random.default_rng(seed).random(8)
    area = config.crop + (1.0 - config.crop) * uniform[0]
    aspect = 1.0
    if config.crop != 1.0:
        aspect = math.exp(math.log(_ASPECT) * (2.0 * uniform[1] - 1.0))
    width, height = min(math.sqrt(area * aspect), 1.0), min(math.sqrt(area / aspect), 1.0)
    left, top = uniform[2] * (1.0 - width), uniform[3] * (1.0 - height)
    is_mirrored = may_mirror and uniform[4] < config.flip
    colours = 1.0 + config.colour * (2.0 * uniform[5:] - 1.0)
    return np.array([left, top, width, height, is_mirrored, *colours], np.float32)
