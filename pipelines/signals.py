"""Progress and stop between the submitter and its workers on one machine: small files in a local folder.

Threads and processes alike. Workers that share no disk with the submitter have no folder: there progress is read from
the records, and a stop cancels the pipeline.
"""

from __future__ import annotations

import os
import threading
import time
import uuid
from pathlib import Path

WRITE_EVERY = 0.5  # seconds
LOOK_EVERY = 0.2


class Signals:
    """A worker's end: it counts, and looks whether it is to stop. Thread-safe."""

    def __init__(self, folder: str | None) -> None:
        self._folder = Path(folder) if folder else None
        self._name = f"{uuid.uuid4().hex}.count"
        self._lock = threading.Lock()
        self._written = self._failed = 0
        self._next_write = self._next_look = 0.0
        self._stop = False
        self._parent = os.getppid()

    def count(self, written: int, failed: int) -> None:
        """Add to this worker's totals, and let the submitter see them now and then."""
        with self._lock:
            self._written += written
            self._failed += failed
            now = time.monotonic()
            if self._folder is not None and now >= self._next_write:
                self._next_write = now + WRITE_EVERY
                self._publish(self._folder)

    def stop_requested(self) -> bool:
        """Whether the submitter asked to stop, or is no more."""
        now = time.monotonic()
        if self._folder is not None and now >= self._next_look and not self._stop:
            self._next_look = now + LOOK_EVERY
            self._stop = (self._folder / "stop").exists() or not self._folder.exists()
        return self._stop

    def _publish(self, folder: Path) -> None:
        beside = folder / f"{self._name}.part"
        try:
            beside.write_text(f"{self._written} {self._failed}")
            beside.replace(folder / self._name)
        except FileNotFoundError:  # the submitter is gone and its folder with it
            self._stop = True


def read_counts(folder: str) -> tuple[int, int]:
    """(written, failed) over all workers so far."""
    written = failed = 0
    for path in Path(folder).glob("*.count"):
        parts = path.read_text().split()
        written, failed = written + int(parts[0]), failed + int(parts[1])
    return written, failed


def request_stop(folder: str) -> None:
    """Ask every worker to stop; they look a few times a second."""
    (Path(folder) / "stop").touch()
