"""Draw how a clip is changed: the crop, the mirror, the colours."""

from __future__ import annotations

import math

import numpy as np

from trainer.data.augment.config import AugmentConfig

# A row: left, top, width and height of the crop in fractions of the frame, mirrored (0 or 1), and the factors
# of brightness, contrast and saturation.
UNCHANGED = (0.0, 0.0, 1.0, 1.0, 0.0, 1.0, 1.0, 1.0)
_ASPECT = 4.0 / 3.0  # of the widest crop; torchvision's RandomResizedCrop has the same range
MIRRORED = 4  # place in a row


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
