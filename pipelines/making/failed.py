"""The record of a task that was set aside: every input of it is a failure."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import islice

import pyarrow as pa

from pipelines.making.maker import Maker
from pipelines.making.task import failed_row
from pipelines.output.aside import placeholder
from pipelines.output.record import RECORD, Record
from schemas.records import Failure, Reason, Reference, Stage, Task
from schemas.text import one_line

Inputs = Callable[[Task], Iterator[Reference | Failure]]


def failed_record(task: Task, maker: Maker, fingerprint: str, error: Exception) -> Record:
    """A record with one failure per input of the task.

    The keys are those of the inputs. If they cannot be read, each input that the plan counts gets a
    placeholder; a task whose plan only estimates them gets one for all.
    """
    failures = _failures(task, maker, one_line(error))
    rows = [{**failed_row(failure), "task": task.index} for failure in failures]
    return Record(task.index, fingerprint, len(rows), pa.Table.from_pylist(rows, schema=RECORD))


def _failures(task: Task, maker: Maker, detail: str) -> list[Failure]:
    def failed(key: str, url: str | None = None) -> Failure:
        return Failure(key, Stage.TASK, Reason.TASK_FAILED, detail, url)

    if task.keys is not None:
        return [failed(key) for key in task.keys]
    inputs: Inputs | None = getattr(maker, "inputs", None)
    most = task.samples if task.exact else None
    found: list[Failure] = []
    try:
        items = inputs(task) if inputs is not None else ()
        for item in islice(items, most):
            if not isinstance(item, Failure):
                item = failed(item.key, item.url)
            found.append(item)
    except Exception:  # the source is often what fails
        found.clear()
    if found and (not task.exact or len(found) == task.samples):
        return found
    count = 1
    if task.exact:
        count = task.samples
    return [failed(placeholder(task.index, number)) for number in range(count)]
