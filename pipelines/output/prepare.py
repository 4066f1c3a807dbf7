"""Before anything is made: may this job write to this output, and which tasks are missing there."""

from __future__ import annotations

import hashlib
import json
import logging
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass
from datetime import date
from typing import Any

from pipelines.making.config import ShardConfig
from pipelines.making.maker import Maker
from pipelines.output.folder import STATE, Output, task_of
from pipelines.output.lost import forget_lost
from schemas.errors import ConfigError
from schemas.manifest import FAILURES_FILE, MANIFEST_FILE, SAMPLES_FILE
from schemas.records import Task
from schemas.text import counted
from storage.find import list_names
from storage.read import read_range
from storage.shards.write import Sink
from storage.write import remove_file, remove_tree

LOG = logging.getLogger(__name__)
TABLES = (MANIFEST_FILE, SAMPLES_FILE, FAILURES_FILE)
PAGES = (
    "sizes.json",
    "wids.json",
    "config.yaml",
    "README.md",
    "croissant.json",
    "report.html",
    "report.json",
)


@dataclass(frozen=True)
class Job:
    """A job before it runs: what it makes, and what tells it from another one."""

    kind: str  # animate | import-videos
    config: Mapping[str, Any]  # resolved, plain values; kept in the output
    identity: Mapping[
        str, Any
    ]  # dotted field -> value: all that can change a byte of a shard, and the source's own
    tasks: Callable[[], Iterator[Task]]  # streams the plan
    maker: Maker
    shard: ShardConfig
    tasks_at_once: int = 2  # per worker
    is_retry: bool = False
    uses_gpus: bool = False  # where there are any

    @property
    def fingerprint(self) -> str:
        """Sixteen hex digits over `identity`."""
        return hashlib.sha256(_canonical({"kind": self.kind, **self.identity}).encode()).hexdigest()[:16]


def check_output(output: Output, job: Job, *, overwrite: bool) -> None:
    """Refuse an output that holds something else. Raises ConfigError: foreign files, another job, another config."""
    if not output.is_ours():
        foreign = next((name for name in list_names(output.uri) if name != STATE), None)
        if foreign is not None:
            raise ConfigError(
                f"output {output.uri}: holds files that are not this job's ({foreign}, ...); give an empty or new folder"
            )
        return
    if overwrite:
        return
    before = output.read_job()
    if before.get("kind") != job.kind:
        raise ConfigError(
            f"output {output.uri}: made by `zoetrope {before.get('kind')}`; give another output, or overwrite=true"
        )
    differing = differences(before.get("identity", {}), job.identity)
    if differing:
        raise ConfigError(
            f"output {output.uri}: begun with another config: {'; '.join(differing)}; "
            "give the same config, another output, or overwrite=true"
        )


def differences(before: Mapping[str, Any], now: Mapping[str, Any]) -> list[str]:
    """Fields that differ, with both values, as text."""
    now = json.loads(_canonical(now))
    return [
        f"{name} was {_short(before.get(name))} and is {_short(now.get(name))}"
        for name in sorted({*before, *now})
        if before.get(name) != now.get(name)
    ]


def prepare_output(output: Output, job: Job, *, overwrite: bool) -> str:
    """Under the lock: remove what a killed job left behind (or, overwriting, everything of ours) and keep the config.

    Returns the ISO date on which the output was begun.
    """
    output.clean()
    if overwrite and output.is_ours():
        remove_ours(output)
    lost = forget_lost(output)
    if lost:
        named = ", ".join(map(str, lost[:5])) + (", ..." if len(lost) > 5 else "")
        LOG.warning(f"shards of {counted(len(lost), 'task')} are gone or cut off (task {named})")
    output.remove_strays(output.done())
    before = output.read_job() if output.is_ours() else {}
    published = str(before.get("published") or date.today().isoformat())
    job_file = {
        "kind": job.kind,
        "config": job.config,
        "identity": job.identity,
        "fingerprint": job.fingerprint,
    }
    output.write_job({**job_file, "published": published})
    return published


def remove_ours(output: Output) -> None:
    """Remove the files of an earlier job from the output; foreign files stay. The config goes last."""
    for name in list(list_names(output.uri)):
        if task_of(name) is not None or name in TABLES or name in PAGES:
            remove_file(output.path(name))
    for name in ("retries", "records"):
        remove_tree(output.state(name))
    for name in ("finished.json", "plan.json", "config.json"):
        remove_file(output.state(name))


@dataclass(frozen=True, slots=True)
class TaskAt:
    """Where a spooled task stands: what the graph holds instead of the task, so that it stays small."""

    path: str
    start: int
    length: int

    def load(self) -> Task:
        """Read it back."""
        return task_from_json(read_range(self.path, self.start, self.length))


def spool(tasks: Iterable[Task], stream: Sink, path: str) -> Iterator[tuple[Task, TaskAt]]:
    """Write tasks to a file as lines of JSON, and tell where each stands."""
    at = 0
    for task in tasks:
        line = task_to_json(task)
        stream.write(line)
        yield task, TaskAt(path, at, len(line))
        at += len(line)


def task_to_json(task: Task) -> bytes:
    """One line."""
    return json.dumps(asdict(task), separators=(",", ":")).encode() + b"\n"


def task_from_json(line: bytes) -> Task:
    """The same task."""
    values = json.loads(line)
    keys = values.pop("keys")
    return Task(**values, keys=None if keys is None else tuple(keys))


def _canonical(values: Mapping[str, Any]) -> str:
    return json.dumps(dict(values), sort_keys=True, separators=(",", ":"), default=str)


def _short(value: Any) -> str:
    text = json.dumps(value)
    return text if len(text) <= 80 else text[:77] + "..."
