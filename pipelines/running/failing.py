"""The rules of a worker for a task that it cannot make: try again, set the task aside, or fail."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from itertools import count

from pipelines.making.maker import Maker
from pipelines.making.task import Done, failed_record, output_error
from pipelines.output.aside import ATTEMPTS, allowed_tasks, note_failure, set_aside
from pipelines.output.commit import Attempt
from pipelines.output.folder import Output
from schemas.errors import OutputError, SickWorkerError, StoppedError
from schemas.records import Task

Watch = Callable[[int, int], bool]


@dataclass(frozen=True)
class FailingTasks:
    """The rules of a job for tasks that fail."""

    output: Output
    maker: Maker
    fingerprint: str
    most: int | None  # tasks that are set aside; None: one in a hundred
    retries: bool  # the runner tries a bundle again that failed, in another process

    def make(self, task: Task, watch: Watch, attempt: Callable[[Task, Watch], Done]) -> Done:
        """Make a task by `attempt`, and set it aside after `ATTEMPTS` failed ones.

        Where the runner retries, the last attempt is left to another process, for this one may be the cause.
        Raises what the attempt raised if the task is not set aside. An output that cannot be written, and a
        process that is broken, are no faults of the task.
        """
        here = ATTEMPTS
        if self.retries:
            here -= 1
        for number in count(1):
            counts = _AttemptCounts(watch)
            try:
                return attempt(task, counts)
            except (StoppedError, OutputError):
                raise
            except Exception as error:
                start = time.monotonic()
                is_sick = isinstance(error, SickWorkerError)
                stopping = watch(0, 0)  # then the error is how the attempt was interrupted
                if stopping or not self._may_set_aside() or (is_sick and not self.retries):
                    raise
                if self._is_enough(task, error):
                    return self._set_aside(task, error, start)
                if number >= here or is_sick:
                    raise
                counts.take_back()
        raise AssertionError("the loop has no other end")

    def _may_set_aside(self) -> bool:
        return allowed_tasks(self.output, self.most) > 0

    def _is_enough(self, task: Task, error: Exception) -> bool:
        """Note this failure. Has the task failed often enough, and may another task be set aside?

        Every worker looks after it has written its note, so that no two of them go beyond the limit.
        """
        try:
            attempts = note_failure(self.output, task.index, str(error))
            failing = sum(number >= ATTEMPTS for number in attempts.values())
            return attempts[task.index] >= ATTEMPTS and failing <= allowed_tasks(self.output, self.most)
        except OSError as failure:
            raise output_error(failure, self.output.uri) from error

    def _set_aside(self, task: Task, error: Exception, start: float) -> Done:
        record = failed_record(task, self.maker, self.fingerprint, error)
        try:
            set_aside(self.output, record)
        except OSError as failure:
            raise output_error(failure, self.output.uri) from error
        reasons = Counter(record.rows["reason"].to_pylist())
        return Done(
            attempt=Attempt("", record),
            written=0,
            bytes=0,
            seconds=time.monotonic() - start,
            reasons=reasons,
            stages={},
        )


class _AttemptCounts:
    """Passes the counts of an attempt on, and takes them back if it fails."""

    def __init__(self, watch: Watch) -> None:
        self._watch = watch
        self._written = self._failed = 0

    def __call__(self, written: int, failed: int) -> bool:
        self._written, self._failed = self._written + written, self._failed + failed
        return self._watch(written, failed)

    def take_back(self) -> None:
        self._watch(-self._written, -self._failed)
