"""How far a job is: a bar on a terminal, a plain line now and then elsewhere."""

from __future__ import annotations

import logging
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TextIO

from tqdm import tqdm

from pipelines.output.folder import Output
from pipelines.output.records import done_tasks, read_record
from schemas.text import duration

LOG = logging.getLogger(__name__)
LINE_EVERY = 10.0  # seconds, where there is no terminal
BUCKETS = 60  # of the throughput curve
RECORDS_SECONDS = 10.0  # between looks at the records of workers that share no disk with us
RECORDS_READ = 16  # in a look, at most
LOOKS_RARELY = 10.0  # times the time that a look takes, until the next one


class Progress:
    """Shows samples, failures, inputs/s and the time left; remembers the throughput for the report.

    `total` is the number of inputs this run has to make, an estimate if `exact` is False.
    """

    def __init__(
        self, total: int, *, exact: bool = True, stream: TextIO | None = None, line_every: float = LINE_EVERY
    ) -> None:
        self._stream = stream or sys.stderr
        self._total, self._exact = total, exact
        self._start = time.monotonic()
        self._line_every, self._next_line = line_every, line_every
        self.throughput = _Throughput()
        self.main_reason: Callable[[], str] = str  # the most frequent reason of failures; "" if unknown
        self._bar = None
        if self._stream.isatty() and LOG.isEnabledFor(logging.INFO) and not _is_json():
            self._bar = tqdm(
                total=total,
                unit="input",
                file=self._stream,
                dynamic_ncols=True,
                smoothing=0.05,
                mininterval=0.2,
            )

    def update(self, written: int, failed: int) -> None:
        """The totals of this run so far."""
        seconds = time.monotonic() - self._start
        self.throughput.add(seconds, written + failed)
        if self._bar is not None:
            self._bar.set_postfix_str(f"{failed} failed{self._reason(failed)}", refresh=False)
            self._bar.update(written + failed - self._bar.n)
        elif seconds >= self._next_line:
            self._next_line = seconds + self._line_every
            LOG.info(self.line(seconds, written, failed))

    def line(self, seconds: float, written: int, failed: int) -> str:
        """One plain line."""
        made = written + failed
        rate = 0.0
        if seconds > 0:
            rate = made / seconds
        left = "?"
        if rate > 0 and self._total >= made:
            left = duration((self._total - made) / rate)
        of = f"{self._total}"
        if not self._exact:
            of = f"~{of}"
        failures = f"{failed} failed{self._reason(failed)}"
        return f"{made}/{of} inputs, {written} written, {failures}, {rate:.1f} inputs/s, {left} left"

    def _reason(self, failed: int) -> str:
        """The main reason in brackets, where failures have one."""
        reason = ""
        if failed:
            reason = self.main_reason()
        if reason:
            reason = f" (most: {reason})"
        return reason

    def close(self) -> None:
        """Leave the terminal in order."""
        if self._bar is not None:
            self._bar.close()


def _is_json() -> bool:
    """Are messages written as JSON lines? A bar would break them."""
    handlers = logging.getLogger("pipelines").handlers
    return any(getattr(handler, "is_json", False) for handler in handlers)


@dataclass
class _Throughput:
    """Inputs finished per bucket of time. Buckets double in width as the run grows, so there are few."""

    bucket_seconds: float = 1.0

    def __post_init__(self) -> None:
        self.counts: list[int] = []
        self._seen = 0

    def add(self, seconds: float, made: int) -> None:
        """`made` inputs in all are finished after `seconds`."""
        while seconds >= BUCKETS * self.bucket_seconds:
            self.counts += [0] * (len(self.counts) % 2)
            self.counts = [a + b for a, b in zip(self.counts[::2], self.counts[1::2], strict=True)]
            self.bucket_seconds *= 2
        place = int(seconds / self.bucket_seconds)
        self.counts += [0] * (place + 1 - len(self.counts))
        self.counts[place] += made - self._seen
        self._seen = made


class RecordsSeen:
    """Progress where workers share no disk with us: records that came since the start, listed now and then.

    A few records of each look are read, and stand for the others: a large job makes hundreds between two
    looks.
    """

    def __init__(self, output: Output) -> None:
        self._output = output
        self._seen = done_tasks(output)
        self._tasks = self._read = self._written = self._failed = 0
        self._counts = (0, 0)
        self._next = 0.0

    def counts(self) -> tuple[int, int]:
        """(written, failed) in records that came since, an estimate if they are many."""
        start = time.monotonic()
        if start >= self._next:
            try:
                self._look()
            except (OSError, ValueError) as error:  # the job runs on, and meets what is wrong itself
                LOG.debug("the records cannot be read now: %s", error)
            self._next = start + max(RECORDS_SECONDS, LOOKS_RARELY * (time.monotonic() - start))
        return self._counts

    def _look(self) -> None:
        new = sorted(done_tasks(self._output) - self._seen)
        if not new:
            return
        self._seen.update(new)
        self._tasks += len(new)
        with ThreadPoolExecutor(RECORDS_READ) as pool:
            for record in pool.map(lambda task: read_record(self._output, task), new[:RECORDS_READ]):
                self._read += 1
                self._written, self._failed = self._written + record.written, self._failed + record.failed
        share = self._tasks / self._read
        before = self._counts
        self._counts = (
            max(before[0], round(share * self._written)),
            max(before[1], round(share * self._failed)),
        )
