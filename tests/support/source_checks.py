"""What holds for every source, checked on what it plans and reads."""

from __future__ import annotations

import json
import pickle
from pathlib import Path
from typing import Any

from pipelines.sources.base import Source, make_source, read_task
from pipelines.sources.config import SourceConfig
from schemas.keys import check_key
from schemas.records import Failure, Reference, Task


def source_of(shard_samples: int = 2, **fields: Any) -> Source:
    values = {name: str(value) if isinstance(value, Path) else value for name, value in fields.items()}
    return make_source(SourceConfig.make(values), shard_samples=shard_samples)


def plan_of(source: Source) -> list[Task]:
    """The plan, which must be numbered, plain and the same each time."""
    tasks = list(source.plan())
    assert [task.index for task in tasks] == list(range(len(tasks)))
    assert tasks == list(source.plan())
    assert all(json.loads(json.dumps(task.payload)) == task.payload for task in tasks)
    return tasks


def read_all(source: Source) -> list[Reference | Failure]:
    """Everything, read by a worker's copy of the source, one task at a time in reverse: order must not
    matter.
    """
    tasks = plan_of(source)
    copy = pickle.loads(pickle.dumps(source))
    by_task = {task.index: list(read_task(copy, task)) for task in reversed(tasks)}
    for task in tasks:
        assert not task.exact or len(by_task[task.index]) == task.samples
    items = [item for task in tasks for item in by_task[task.index]]
    keys = [check_key(item.key) for item in items]
    assert len(set(keys)) == len(keys)
    for item in items:
        if isinstance(item, Reference):
            assert item.captions
            assert item.image is not None or item.path is not None or item.url is not None
            json.dumps(dict(item.meta))
    return items


def told(items: list[Reference | Failure]) -> list[str]:
    """First caption, or reason: one word an input, to compare with."""
    return [str(item.reason) if isinstance(item, Failure) else item.captions[0] for item in items]
