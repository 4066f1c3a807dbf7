"""How long a process has waited for a core: it could run, and the machine ran others.

The limit of a sample counts the time that a worker computes or sleeps, whatever else the machine does. Time
that it waits for a core does not count. The kernel counts both (Linux,
Documentation/scheduler/sched-stats.rst). On other systems every second counts.
"""

from __future__ import annotations

import os
from contextlib import suppress

WAITED_FIELD = 1  # of schedstat, nanoseconds
NANOSECONDS = 1e9
MOST_BYTES = 128  # of schedstat, which is one line


class OwnWaiting:
    """The waiting of the thread that makes it. A reading takes a microsecond."""

    def __init__(self) -> None:
        self._file = -1
        with suppress(OSError):
            self._file = os.open("/proc/thread-self/schedstat", os.O_RDONLY | os.O_CLOEXEC)

    def seconds(self) -> float:
        """Seconds since the thread began; 0 if they are not known."""
        if self._file < 0:
            return 0.0
        return _seconds(os.pread(self._file, MOST_BYTES, 0))


def waited_seconds(process: int) -> float:
    """Seconds that the first thread of a process has waited since it began; 0 if they are not known."""
    try:
        with open(f"/proc/{process}/schedstat", "rb") as stream:
            return _seconds(stream.read(MOST_BYTES))
    except OSError:
        return 0.0


def _seconds(text: bytes) -> float:
    fields = text.split()
    if len(fields) <= WAITED_FIELD:
        return 0.0
    return int(fields[WAITED_FIELD]) / NANOSECONDS
