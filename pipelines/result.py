"""The result of a run of a job. Imports no Beam."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from pipelines.output.finish import Totals


@dataclass(frozen=True)
class RunResult:
    """Counts of this run, and the content of the output after it."""

    output: str
    totals: Totals
    written: int  # samples of this run
    failed: int
    resumed: int  # samples that stood there already
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
        """Failed over all inputs of the output."""
        if self.totals.inputs:
            return self.totals.failed / self.totals.inputs
        return 0.0
