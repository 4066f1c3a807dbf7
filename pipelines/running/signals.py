"""Progress and stop between the submitter and its workers on one machine: small files in a local folder.

Threads and processes alike. Workers that share no disk with the submitter have no folder: there progress is read from
the records, and a stop cancels the pipeline.
"""

from __future__ import annotations

import fcntl
import os
import threading
import time
import uuid
from pathlib import Path
from types import TracebackType
from typing import Self

WRITE_EVERY = 0.5  # seconds
LOOK_EVERY = 0.2


class Heart:
    """Held by the submitter: a kernel lock on a file of the folder, which ends with its process, however that ends."""

    def __init__(self, folder: str) -> None:
        self._path = Path(folder) / "submitter"

    def __enter__(self) -> Self:
        self._path.write_text(str(os.getpid()))
        self._file = self._path.open("r")
        fcntl.flock(self._file, fcntl.LOCK_EX)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._file.close()


class Signals:
    """A worker's end: it counts, and looks whether it is to stop. Thread-safe.

    A worker process whose submitter was killed ends itself, so that it does not write beside the next job.
    """

    def __init__(self, folder: str | None) -> None:
        self._folder = Path(folder) if folder else None
        self._name = f"{uuid.uuid4().hex}.count"
        self._lock = threading.Lock()
        self._written = self._failed = 0
        self._next_write = self._next_look = 0.0
        self._stop = False
        self._closed = threading.Event()
        if self._folder is not None and _submitter(self._folder) != os.getpid():
            threading.Thread(
                target=self._die_with_submitter, args=(self._folder,), name="heart", daemon=True
            ).start()

    def count(self, written: int, failed: int) -> None:
        """Add to this worker's totals, and let the submitter see them now and then."""
        with self._lock:
            self._written += written
            self._failed += failed
            now = time.monotonic()
            if self._folder is not None and now >= self._next_write:
                self._next_write = now + WRITE_EVERY
                self._publish(self._folder)

    def flush(self) -> None:
        """Let the submitter see the totals now."""
        with self._lock:
            if self._folder is not None:
                self._publish(self._folder)

    def stop_requested(self) -> bool:
        """Whether the submitter asked to stop."""
        now = time.monotonic()
        if self._folder is not None and now >= self._next_look and not self._stop:
            self._next_look = now + LOOK_EVERY
            self._stop = (self._folder / "stop").exists() or not self._folder.exists()
        return self._stop

    def close(self) -> None:
        """End the watch over the submitter."""
        self._closed.set()

    def _publish(self, folder: Path) -> None:
        beside = folder / f"{self._name}.part"
        try:
            beside.write_text(f"{self._written} {self._failed}")
            beside.replace(folder / self._name)
        except FileNotFoundError:  # the submitter is gone and its folder with it
            self._stop = True

    def _die_with_submitter(self, folder: Path) -> None:
        while not self._closed.wait(LOOK_EVERY):
            try:
                with (folder / "submitter").open() as heart:
                    fcntl.flock(heart, fcntl.LOCK_SH | fcntl.LOCK_NB)
            except BlockingIOError:
                continue
            except FileNotFoundError:
                return  # the run is over
            os._exit(1)


def _submitter(folder: Path) -> int:
    try:
        return int((folder / "submitter").read_text())
    except FileNotFoundError:
        return os.getpid()


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
