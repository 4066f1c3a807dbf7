"""The result of a run of a job. Imports no Beam."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from pipelines.output.finish import Totals
from schemas.records import Reason


@dataclass(frozen=True)
class RunResult:
    """Counts of this run, and the content of the output after it."""

    output: str
    totals: Totals
    written: int  # samples of this run
    failed: int
    resumed: int  # samples of earlier runs
    seconds: float
    max_failure_ratio: float
    runner: str
    throughput: tuple[float, tuple[int, ...]] = (0.0, ())  # bucket width in seconds, inputs in each
    counters: Mapping[str, int | float] = field(default_factory=dict)

    @property
    def exit_code(self) -> int:
        """0, or 1 if inputs are unaccounted for, more failed than allowed, or there were none."""
        is_lost = self.totals.off_by != 0
        return int(is_lost or self.totals.inputs == 0 or self.failure_ratio > self.max_failure_ratio)

    @property
    def nothing_made(self) -> bool:
        """Whether the output was complete before."""
        return not self.throughput[1]

    @property
    def failure_ratio(self) -> float:
        """Failed inputs over all inputs of the output, without those that filters dropped.

        A dropped input did not fail. 1.0 if filters dropped every input: nothing was made then.
        """
        dropped = self.totals.reasons.get(Reason.FILTERED, 0)
        left = self.totals.inputs - dropped
        if left:
            return (self.totals.failed - dropped) / left
        if not dropped:
            return 0.0
        return 1.0
