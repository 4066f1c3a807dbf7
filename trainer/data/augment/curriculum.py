"""How many frames of a clip training takes at a step: few at first, which is cheap, then more.

(Bain et al., Frozen in time, 2021: from pictures to videos of 4 and then 8 frames.)
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise


@dataclass(frozen=True)
class Curriculum:
    """Frames by step, for the batches of one rank in their order."""

    stages: tuple[tuple[int, int], ...]  # (first step, frames), ascending from step 0
    accumulate: int = 1  # batches of a rank in a step

    def frames(self, batch: int) -> int:
        """Return the frames of the rank's batch of this number, from 0."""
        step = batch // self.accumulate
        return [frames for first, frames in self.stages if first <= step][-1]


def check_stages(stages: list[tuple[int, int]]) -> None:
    """Raise ValueError unless the stages begin at step 0 and ascend, with at least one frame each."""
    steps = [step for step, _ in stages]
    if not stages or steps[0] != 0 or any(later <= step for step, later in pairwise(steps)):
        raise ValueError(
            f"frames_curriculum = {[list(stage) for stage in stages]}: give [step, frames] from step 0 on, "
            "in ascending order, such as [[0, 1], [1000, 4], [5000, 12]]"
        )
    few = [frames for _, frames in stages if frames < 1]
    if few:
        raise ValueError(f"frames_curriculum: {few[0]} frames; a stage needs at least 1")
