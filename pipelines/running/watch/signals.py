"""Progress and stop between the submitter and a job that runs in its own process.

Beam pickles the stages of a job even where it runs them in this process, so they cannot hold an object of the
submitter. They hold its name and look it up here. Workers in other processes and on other machines find
nothing: there progress is read from the records, and a stop cancels the pipeline.
"""

from __future__ import annotations

import threading
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager

_jobs: dict[str, Signals] = {}  # of this process, by name


class Signals:
    """Counts of one job so far, and whether it is to stop. Thread-safe."""

    def __init__(self) -> None:
        self.name = uuid.uuid4().hex
        self._lock = threading.Lock()
        self._written = self._failed = 0
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

    def request_stop(self) -> None:
        """Ask the job to stop; it looks after every sample."""
        self._stop.set()

    def when_interrupted(self, call: Callable[[], None]) -> None:
        """Have `call` end what is under way, if the job does not heed a stop soon."""
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
