"""A job before it runs: what it makes, its fingerprint, and its tasks as lines of a file."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any

from pipelines.making.config import ShardConfig
from pipelines.making.maker import Maker
from pipelines.sources.base import Source
from schemas.json_text import read_json
from schemas.records import Task
from schemas.text import counted
from storage.read import read_range
from storage.shards.write import Sink


@dataclass(frozen=True)
class Job:
    """A job before it runs: its tasks, their maker, and the settings that decide the bytes."""

    kind: str  # animate | import-videos
    config: Mapping[str, Any]  # resolved, plain values; kept in the output
    # dotted field -> value: settings that change bytes, and the source's identity
    identity: Mapping[str, Any]
    tasks: Callable[[], Iterator[Task]]  # streams the plan
    maker: Maker
    shard: ShardConfig
    tasks_at_once: int = 2  # per worker
    is_retry: bool = False
    makes_clips: bool = False  # at the rate of `pipelines.estimate`
    max_failed_tasks: int | None = None  # that are set aside before the job fails; None: one in a hundred
    device: str = "cpu"  # cpu, cuda or auto; cpu for a job that renders nothing
    whole: tuple[Any, ...] = ()  # filters over the whole input: `pipelines.curation.whole.WholeRule`
    source: Source | None = None  # what `tasks` plans; None for tasks of another origin, which never grow

    @property
    def fingerprint(self) -> str:
        """Sixteen hex digits over `identity`."""
        return hashlib.sha256(_canonical({"kind": self.kind, **self.identity}).encode()).hexdigest()[:16]


# The keys of storage.find.identity: how many, how large, a digest of the names.
FILES_IDENTITY = ("files", "bytes", "names")


def differences(before: Mapping[str, Any], now: Mapping[str, Any]) -> list[str]:
    """The fields that differ, as text with both values."""
    now = read_json(_canonical(now))
    changed = [name for name in sorted({*before, *now}) if before.get(name) != now.get(name)]
    files = [name for name in changed if is_of_files(name, {*before, *now})]
    stems = sorted({_stem(name) for name in files})
    return [
        *(
            f"{name} was {_short(before.get(name))} and is {_short(now.get(name))}"
            for name in changed
            if name not in files
        ),
        *(_changed_files(stem, before, now) for stem in stems),
    ]


LIMIT = "source.limit"  # the first so many inputs; a field of `Job.identity`


def has_grown(before: Mapping[str, Any], now: Mapping[str, Any]) -> bool:
    """Is the only difference between two identities a higher limit of the source, or none any more?

    Then the tasks of the earlier plan are those of the new one, but for the last.
    """
    old, new = before.get(LIMIT), now.get(LIMIT)
    if not isinstance(old, int) or (new is not None and new <= old):
        return False
    return not differences({**before, LIMIT: None}, {**now, LIMIT: None})


def is_of_source(field: str) -> bool:
    """Does a field of `Job.identity` say which input there is, and not what is made of it?"""
    return field.startswith("source.")


def is_of_files(name: str, names: set[str]) -> bool:
    """Does a field of `Job.identity` describe files?

    `source.bytes` does, with `source.files`; `shard.max_bytes` does not.
    """
    stem = _stem(name)
    return name.endswith(FILES_IDENTITY) and not names.isdisjoint({f"{stem}.files", f"{stem}_files"})


def _stem(name: str) -> str:
    if "_" in name.rpartition(".")[2]:
        return name.rpartition("_")[0]
    return name.rpartition(".")[0]


def _changed_files(stem: str, before: Mapping[str, Any], now: Mapping[str, Any]) -> str:
    """A change of input files in words: how many there are, and their size."""

    def words(values: Mapping[str, Any]) -> str | None:
        separator = "."
        if f"{stem}_files" in values:
            separator = "_"
        files, size = values.get(f"{stem}{separator}files"), values.get(f"{stem}{separator}bytes")
        if not isinstance(files, int):
            return None
        return f"{counted(files, 'file')} of {size} bytes"

    was, is_now = words(before), words(now)
    if was == is_now:
        return f"{stem}: its {was} have other names or sizes"
    return f"{stem} was {was or 'no files'} and is {is_now or 'no files'}"


@dataclass(frozen=True, slots=True)
class TaskAt:
    """The place of a task in the spooled plan.

    The graph holds places instead of tasks, so that it stays small.
    """

    path: str
    start: int
    length: int

    def load(self) -> Task:
        """Read the task."""
        return task_from_json(read_range(self.path, self.start, self.length))


def spool(tasks: Iterable[Task], stream: Sink, path: str) -> Iterator[tuple[Task, TaskAt]]:
    """Write tasks to a file as lines of JSON; yield each task with its place."""
    at = 0
    for task in tasks:
        line = task_to_json(task)
        stream.write(line)
        yield task, TaskAt(path, at, len(line))
        at += len(line)


def task_to_json(task: Task) -> bytes:
    """One line of the plan."""
    return json.dumps(task_to_row(task), separators=(",", ":")).encode() + b"\n"


def task_to_row(task: Task) -> dict[str, Any]:
    """The fields of a task that a worker needs, as plain values."""
    return {name: value for name, value in asdict(replace(task, marks=())).items() if name != "marks"}


def task_from_json(line: bytes) -> Task:
    """The task of one line."""
    return task_from_row(read_json(line))


def task_from_row(row: Mapping[str, Any]) -> Task:
    """The task of a line that was parsed. Fields that no task has are left out."""
    values = {name: row[name] for name in ("index", "samples", "payload", "exact", "origin") if name in row}
    if row.get("keys") is not None:
        values["keys"] = tuple(row["keys"])
    return Task(**values)


def _canonical(values: Mapping[str, Any]) -> str:
    return json.dumps(dict(values), sort_keys=True, separators=(",", ":"), default=str)


def _short(value: Any) -> str:
    text = json.dumps(value)
    if len(text) <= 80:
        return text
    return text[:77] + "..."
