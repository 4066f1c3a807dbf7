"""Progress and stop between the submitter and a job that runs in its own process.

Beam pickles the stages of a job even where it runs them in this process, so they cannot hold an object of the
submitter. They hold its name and look it up here. Workers in other processes and on other machines find
nothing: there progress is read from the records, and a stop cancels the pipeline.
"""

from __future__ import annotations

import threading
import uuid
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager

_jobs: dict[str, Signals] = {}  # of this process, by name


class Signals:
    """Counts of one job so far, and whether it is to stop. Thread-safe."""

    def __init__(self) -> None:
        self.name = uuid.uuid4().hex
        self._lock = threading.Lock()
        self._written = self._failed = 0
        self._reasons: Counter[str] = Counter()
        self._stop = threading.Event()
        self._interrupts: list[Callable[[], None]] = []

    def count(self, written: int, failed: int) -> None:
        """Add to the totals."""
        with self._lock:
            self._written += written
            self._failed += failed

    def counts(self) -> tuple[int, int]:
        """(written, failed) so far."""
        with self._lock:
            return self._written, self._failed

    def count_reasons(self, reasons: Mapping[str, int]) -> None:
        """Add the failures of a finished task, by reason."""
        with self._lock:
            self._reasons.update(reasons)

    def main_reason(self) -> str:
        """The most frequent reason of the failures in finished tasks; "" without one."""
        with self._lock:
            found = self._reasons.most_common(1)
        if not found:
            return ""
        return str(found[0][0])

    def request_stop(self) -> None:
        """Ask the job to stop; it looks after every sample."""
        self._stop.set()

    def when_interrupted(self, call: Callable[[], None]) -> None:
        """Have `call` end what is under way, if the job does not stop soon."""
        with self._lock:
            self._interrupts.append(call)

    def interrupt(self) -> None:
        """End what is under way."""
        with self._lock:
            calls = list(self._interrupts)
        for call in calls:
            call()

    def stop_requested(self) -> bool:
        """Was the job asked to stop?"""
        return self._stop.is_set()


@contextmanager
def signals_of_job() -> Iterator[Signals]:
    """Signals that the stages of a job find by name, as long as the block runs."""
    signals = Signals()
    _jobs[signals.name] = signals
    try:
        yield signals
    finally:
        del _jobs[signals.name]


def find_signals(name: str | None) -> Signals:
    """The signals of a job of this process, or new ones that nobody looks at."""
    return _jobs.get(name or "") or Signals()
