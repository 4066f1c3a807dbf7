"""An output folder: its names, and the small files of a job's bookkeeping.

OUTPUT/
  00012.tar                        or 00012-000.tar, 00012-001.tar ... if the task outgrew a shard
  _zoetrope/
    config.json                    the job: resolved config, source identity
    plan.json finished.json        how many tasks there are; the totals once every table is written
    records/00012.parquet          a row an input; its being there is what makes task 12 done
    retries/0000.jsonl             the tasks of a `zoetrope retry`
    tmp/ATTEMPT/...                files under temporary names, of one attempt at one task
    lock                           see storage.lock
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from storage.find import list_names
from storage.login import check_folder_address
from storage.read import file_exists, read_bytes
from storage.uris import absolute, join
from storage.write import remove_file, write_bytes

STATE = "_zoetrope"


class Output:
    """Paths and records of one output folder (local path or URI). Holds nothing but its address; picklable."""

    def __init__(self, uri: str) -> None:
        """Raises ConfigError for an address that cannot be opened."""
        self.uri = absolute(uri).rstrip("/") or "/"
        check_folder_address(self.uri)

    def path(self, *names: str) -> str:
        """Of a file in the output."""
        return join(self.uri, *names)

    def state(self, *names: str) -> str:
        """Of a file of the job's bookkeeping."""
        return join(self.uri, STATE, *names)

    def record_path(self, task: int) -> str:
        """Of a task's record."""
        return self.state("records", f"{task:05d}.parquet")

    def tmp(self, *names: str) -> str:
        """Of a file under a temporary name."""
        return self.state("tmp", *names)

    def is_ours(self) -> bool:
        """Whether a job of ours began here."""
        return file_exists(self.state("config.json"))

    def read_job(self) -> dict[str, Any]:
        """What `write_job` wrote. Raises OSError or ValueError."""
        job = json.loads(read_bytes(self.state("config.json")))
        if not isinstance(job, dict):
            raise ValueError(f"{self.state('config.json')}: not a job's config")
        return job

    def write_job(self, job: Mapping[str, Any]) -> None:
        """Keep the job's config and its source's identity."""
        self.write_state("config.json", job)

    def write_state(self, name: str, values: Mapping[str, Any]) -> None:
        """Keep a small JSON file of the job's own."""
        write_bytes(self.state(name), json.dumps(values, indent=1, sort_keys=True).encode())

    def read_state(self, name: str) -> dict[str, Any] | None:
        """Read one back, None if it is not there."""
        return json.loads(read_bytes(self.state(name))) if file_exists(self.state(name)) else None

    def remove_strays(self, done: set[int]) -> None:
        """Remove shards of tasks without a record: a commit was cut off between its tar and its record."""
        for name in list_names(self.uri):
            task = task_of(name)
            if task is not None and task not in done:
                remove_file(self.path(name))


def shard_name(task: int, part: int | None = None) -> str:
    """``00012.tar``, or ``00012-003.tar`` where a task needs several."""
    return f"{task:05d}.tar" if part is None else f"{task:05d}-{part:03d}.tar"


def task_of(name: str) -> int | None:
    """The task whose shard has this name, None if it is no shard's name."""
    stem, dot, extension = name.rpartition(".")
    number, dash, part = stem.partition("-")
    if extension != "tar" or not dot or len(number) < 5 or not number.isascii() or not number.isdigit():
        return None
    return int(number) if not dash or (len(part) >= 3 and part.isdigit()) else None
