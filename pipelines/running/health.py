"""A worker process that fails task after task ends itself, so that its runner replaces it.

A worker whose GPU or disk is broken fails fast. It would take, and fail, bundle after bundle until the job is
dead.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from functools import cache

FAILURES = 3  # tasks that fail in a row
LAST_WORDS_SECONDS = 1.0  # for the error to reach the runner
EXIT_CODE = 70  # EX_SOFTWARE


class Health:
    """Counts the tasks that failed in a row. `end` ends the process."""

    def __init__(self, end: Callable[[int], None] = os._exit) -> None:
        self._end = end
        self._lock = threading.Lock()
        self._in_a_row = 0

    def worked(self) -> None:
        """A task was made."""
        with self._lock:
            self._in_a_row = 0

    def failed(self, *, beyond_hope: bool = False) -> None:
        """A task failed. After `FAILURES` in a row the process ends, a moment later.

        With `beyond_hope` it ends after this one: every further task would fail too.
        """
        with self._lock:
            before = self._in_a_row
            self._in_a_row += 1
            if beyond_hope:
                self._in_a_row = max(self._in_a_row, FAILURES)
            sick = before < FAILURES <= self._in_a_row
        if sick:
            timer = threading.Timer(LAST_WORDS_SECONDS, self._end, (EXIT_CODE,))
            timer.daemon = True
            timer.start()


@cache
def process_health() -> Health:
    """The health of this process. Beam makes new DoFns after a failure, so they cannot keep the count."""
    return Health()
