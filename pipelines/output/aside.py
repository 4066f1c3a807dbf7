"""Tasks that fail again and again are set aside, so that the job can go on without them.

Each failed attempt leaves a note in `tmp/failed`, whichever worker made it. After `ATTEMPTS` notes the task
is set aside: its worker commits a record in which every input failed, and leaves a mark. At the end of the
job the marks are removed, and the records stay: the tasks were the exception. If the job fails, such as for a
source that has gone, or is killed, marks are left. Then the records are withdrawn before anything else, and
the same command makes the tasks again.
"""

from __future__ import annotations

import re
import uuid
from collections import Counter

from pipelines.output.folder import Output
from pipelines.output.listing import Listing
from pipelines.output.record import Record
from pipelines.output.records import withdraw
from storage.folders import list_names
from storage.remote.conditional import create_exclusively
from storage.write import remove_file, write_bytes

ATTEMPTS = 3  # of a task; below the four after which Dataflow and Spark give up
ONE_IN = 100  # tasks, without a number in the config
ATTEMPT = "set-aside"  # the record holds it as the name of its attempt
FOLDER, NOTE, MARK = "failed", ".txt", ".aside"
PLACEHOLDER = re.compile(r"task-failed-\d{5,}-\d{6}")


def placeholder(task: int, number: int) -> str:
    """The key of an input that could not be read when its task was set aside."""
    return f"task-failed-{task:05d}-{number:06d}"


def is_placeholder(key: str) -> bool:
    """Is this the key of an input that could not be read? Then its whole task has to be made again."""
    return PLACEHOLDER.fullmatch(key) is not None


def note_failure(output: Output, task: int, reason: str) -> dict[int, int]:
    """Note a failed attempt. Returns the number of noted attempts of each task that has failed."""
    write_bytes(output.tmp(FOLDER, f"{task:05d}-{uuid.uuid4().hex}{NOTE}"), reason.encode())
    names = (name.partition("-") for name in list_names(output.tmp(FOLDER)) if name.endswith(NOTE))
    return Counter(int(number) for number, _, _ in names if number.isdigit())


def allowed_tasks(output: Output, given: int | None) -> int:
    """The number of tasks that may be set aside: the one given, or one in a hundred of the plan."""
    if given is not None:
        return given
    plan = output.read_plan()
    if plan is None:
        return 0
    return plan.tasks // ONE_IN


def set_aside(output: Output, record: Record) -> None:
    """Commit the record of a task that failed, unless an attempt has made the task after all."""
    # The mark comes first: a record without a mark would stay after a job that failed.
    write_bytes(output.tmp(FOLDER, f"{record.task:05d}{MARK}"), b"")
    create_exclusively(output.record_path(record.task), record.to_bytes(ATTEMPT))


def keep_aside(output: Output) -> list[int]:
    """The job has come to its end: let the records of set-aside tasks stay. Returns those tasks."""
    names = [name for name in list_names(output.tmp(FOLDER)) if name.endswith(MARK)]
    for name in names:
        remove_file(output.tmp(FOLDER, name))
    return sorted(int(name.removesuffix(MARK)) for name in names)


def withdraw_aside(output: Output, listing: Listing) -> None:
    """The job has failed or was killed: withdraw the records of its set-aside tasks."""
    for path in listing.temporary:
        folder, _, name = path.partition("/")
        task = name.removesuffix(MARK)
        if folder == FOLDER and name.endswith(MARK) and task.isdigit():
            withdraw(output, int(task), ATTEMPT)
            listing.done.discard(int(task))
