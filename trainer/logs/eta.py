"""The time that a run still takes, from the steps, evaluations and checkpoints of this process.

A resumed run estimates from its own times alone: it may run on other hardware than before.
"""

from __future__ import annotations

from collections import deque
from typing import Literal

RECENT = 20  # records whose steps count: one slow record moves the estimate by a twentieth of its excess
Pause = Literal["evaluation", "checkpoint"]


class Eta:
    """Adds up what is left of a run at the pace so far."""

    def __init__(self, total_steps: int, *, save_every: int, eval_every: int | None) -> None:
        """`eval_every`: None for a run without evaluations."""
        self._total, self._save_every, self._eval_every = total_steps, save_every, eval_every
        self._first: tuple[int, float] | None = None  # steps and seconds; it warms up, or compiles
        self._recent: deque[tuple[int, float]] = deque(maxlen=RECENT)
        self._pauses: dict[Pause, list[float]] = {"evaluation": [], "checkpoint": []}

    def add_steps(self, steps: int, seconds: float) -> None:
        """Count the steps since the last record, without evaluations and checkpoints."""
        if steps < 1:
            return
        if self._first is None:
            self._first = (steps, seconds)
        else:
            self._recent.append((steps, seconds))

    def add_pause(self, kind: Pause, seconds: float) -> None:
        """Count an evaluation or a checkpoint."""
        self._pauses[kind].append(seconds)

    def seconds_left(self, step: int) -> float | None:
        """Return the seconds from the end of `step` to the end of the run; None before the first steps."""
        known = list(self._recent)
        if not known and self._first is not None:
            known = [self._first]
        if not known:
            return None
        per_step = sum(seconds for _, seconds in known) / sum(steps for steps, _ in known)
        left = (self._total - step) * per_step
        return left + self._paused("checkpoint", step) + self._paused("evaluation", step)

    def _paused(self, kind: Pause, step: int) -> float:
        """Return the seconds of the pauses of a kind after `step`; each takes their mean so far."""
        every = self._eval_every
        if kind == "checkpoint":
            every = self._save_every
        seconds = self._pauses[kind]
        if every is None or not seconds:
            return 0.0
        return _due(step, self._total, every) * sum(seconds) / len(seconds)


def _due(step: int, total: int, every: int) -> int:
    """Return how often something is due after `step`: at multiples of `every`, and at the last step."""
    if step >= total:
        return 0
    at_end = int(total % every > 0)
    return total // every - step // every + at_end
