"""An output folder: its names, and the small files of a job's bookkeeping.

OUTPUT/
  00012.tar                        or 00012-000.tar, 00012-001.tar ... if the task outgrew a shard
  _zoetrope/
    config.json                    the job: resolved config, source identity
    plan.json finished.json        how many tasks there are; the totals once every table is written
    records/00012.parquet          one row per input; task 12 is done when this file is there
    parts/00003-DIGEST.parquet     the records of a range of tasks, folded; see pipelines.output.tables.parts
    inputs/00000000-12-11800.parquet   what it was planned from; see pipelines.output.growth.inputs
    retries/0000.jsonl             the tasks of a `zoetrope retry`
    tmp/ATTEMPT/...                temporary files of one attempt at one task
    lock                           see pipelines.output.lock
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Annotated, Any, TypeVar

from annotated_types import Ge

from schemas.errors import ConfigError
from schemas.json_text import read_json, read_json_as
from schemas.text import one_line
from storage.login import check_folder_address
from storage.read import MAX_JSON, file_exists, read_bytes
from storage.uris import absolute, join, local_path
from storage.write import write_bytes

STATE = "_zoetrope"
INNER = ("records", "parts", "retries", "inputs", "tmp", "reports", "curation")
FOLDERS = ("samples", "failures", STATE, *(f"{STATE}/{name}" for name in INNER))
MADE_AGAIN = ("plan.json", "finished.json")  # by every run
RUNNING = "running.json"  # see `pipelines.running.remote.job`
T = TypeVar("T")
Number = Annotated[int, Ge(0)]


class Output:
    """The paths of one output folder (local path or URI).

    It holds only its address, so that it can be pickled.
    """

    def __init__(self, uri: str) -> None:
        """Raise ConfigError for an address that cannot be opened."""
        self.uri = absolute(uri).rstrip("/") or "/"
        check_folder_address(self.uri)

    def path(self, *names: str) -> str:
        """Path of a file in the output."""
        return join(self.uri, *names)

    def state(self, *names: str) -> str:
        """Path of a file of the job's bookkeeping."""
        return join(self.uri, STATE, *names)

    def record_path(self, task: int) -> str:
        """Path of a task's record."""
        return self.state("records", f"{task:05d}.parquet")

    def tmp(self, *names: str) -> str:
        """Path of a temporary file."""
        return self.state("tmp", *names)

    def check_folders(self) -> None:
        """Raise ConfigError for a link in place of a folder of ours. The output itself may be a link.

        A listing does not follow links: behind one, finished tasks would count as not done.
        """
        here = local_path(self.uri)
        if here is None:
            return
        for name in FOLDERS:
            path = os.path.join(here, name)
            if os.path.islink(path):
                raise ConfigError(
                    f"output {self.uri}: {name} is a link; move the folder that it names to its place, or "
                    "link the output as a whole"
                )

    def is_ours(self) -> bool:
        """Has one of our jobs begun here?"""
        return file_exists(self.state("config.json"))

    def read_job(self) -> dict[str, Any]:
        """The content that `write_job` wrote. Raises OSError, and ConfigError if it is damaged."""
        path = self.state("config.json")
        job = self.read_state("config.json")
        if job is None:
            raise FileNotFoundError(f"{path}: no such file")
        for name in ("config", "identity"):
            if not isinstance(job.get(name, {}), dict):
                raise _damaged(path, f"{name} is no mapping")
        return job

    def write_job(self, job: Mapping[str, Any]) -> None:
        """Write the job's config and its source's identity."""
        self.write_state("config.json", job)

    def write_state(self, name: str, values: Mapping[str, Any]) -> None:
        """Write a small JSON file of the bookkeeping."""
        write_bytes(self.state(name), json.dumps(values, indent=1, sort_keys=True).encode())

    def read_state(self, name: str) -> dict[str, Any] | None:
        """The values of such a file; None if it is not there.

        Raises ConfigError, which names it, if it is damaged.
        """
        return self._read(name, _mapping)

    def read_state_as(self, name: str, kind: type[T]) -> T | None:
        """The values of such a file as a dataclass; None if it is not there. Raises as `read_state`."""
        return self._read(name, partial(read_json_as, kind))

    def _read(self, name: str, parse: Callable[[bytes], T]) -> T | None:
        path = self.state(name)
        try:
            return parse(read_bytes(path, MAX_JSON))
        except FileNotFoundError:
            return None
        except ValueError as error:
            raise _damaged(path, one_line(error)) from None

    def read_plan(self) -> Plan | None:
        """The content of `plan.json`; None before planning has ended. Raises as `read_state`."""
        return self.read_state_as("plan.json", Plan)


@dataclass(frozen=True)
class Plan:
    """The tasks of an output."""

    tasks: Number
    segments: tuple[tuple[Number, Number], ...] = ()  # (first task, tasks), if there are several

    def numbers(self) -> tuple[tuple[int, int], ...]:
        """(first task, tasks) of each segment."""
        return self.segments or ((0, self.tasks),)

    def missing(self, done: Collection[int]) -> int:
        """The number of tasks that are not done."""
        found = sum(any(first <= task < first + tasks for first, tasks in self.numbers()) for task in done)
        return sum(tasks for _, tasks in self.numbers()) - found


def _mapping(data: bytes) -> dict[str, Any]:
    """Parse by Python's parser: a config may name files that are not UTF-8, which pydantic does not read."""
    values = read_json(data)
    if not isinstance(values, dict):
        raise ValueError("it holds no mapping")
    return values


def _damaged(path: str, why: str) -> ConfigError:
    remedy = "restore it, or give another output, or overwrite=true"
    if path.endswith(MADE_AGAIN):
        remedy = "remove it, and run the command of the job again"
    if path.endswith(RUNNING):
        remedy = "it names a job on a runner; remove it once no such job writes to this output"
    return ConfigError(f"{path}: damaged ({why}); {remedy}")


def shard_name(task: int, part: int | None = None) -> str:
    """``00012.tar``, or ``00012-003.tar`` if a task needs several shards."""
    if part is None:
        return f"{task:05d}.tar"
    return f"{task:05d}-{part:03d}.tar"


def task_of(name: str) -> int | None:
    """The task whose shard has this name; None for any other name."""
    stem, dot, extension = name.rpartition(".")
    number, dash, part = stem.partition("-")
    if extension != "tar" or not dot or len(number) < 5 or not number.isascii() or not number.isdigit():
        return None
    if not dash or (len(part) >= 3 and part.isdigit()):
        return int(number)
    return None
