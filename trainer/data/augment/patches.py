"""Patch dropout: the vision tower sees some of the patches of a frame in training.

(Li et al., Scaling language-image pre-training via masking (FLIP), 2023.) The patches are drawn in the
loader's worker and travel with the batch. So a second pass over a part sees the same patches, and a resumed
run sees those of an uninterrupted one.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from trainer.data.batch import Batch


@dataclass(frozen=True)
class PatchChoice:
    """How many patches of a frame the tower sees."""

    patches: int  # of a frame
    kept: int

    @classmethod
    def dropping(cls, share: float, patches: int) -> PatchChoice | None:
        """Drop `share` of the patches and keep at least one; None for a share of 0."""
        if not share:
            return None
        return cls(patches, max(round((1.0 - share) * patches), 1))

    def draw(self, batch: Batch, seed: int) -> Tensor:
        """Draw the patches of each frame of a batch that is encoded: int64 [R,kept], ascending."""
        if batch.packing is None:
            frames = batch.frame_mask.numel()
        else:
            frames = len(batch.packing.kept_R)
        scores_RP = np.random.default_rng(seed).random((frames, self.patches), np.float32)
        chosen_RK = np.argpartition(scores_RP, self.kept - 1, axis=1)[:, : self.kept]
        return torch.from_numpy(np.sort(chosen_RK, axis=1))
