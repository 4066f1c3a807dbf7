"""Parts of the tables: the records of a range of tasks, folded into three files.

Part 3 of 1,000 tasks holds the rows of tasks 3000 to 3999. The workers of a runner fold the parts once their
tasks are made. The end of the job folds what is left, and moves the files to their final names. A part's
files are named after the tasks that it holds and the retries that answer their failures, so a listing shows
which parts are up to date:

  _zoetrope/parts/00003-DIGEST.parquet             its head: rows of the manifest, counts; written last
  _zoetrope/parts/00003-DIGEST.samples.parquet     its rows of the samples, until the end moves them
  _zoetrope/parts/00003-DIGEST.failures.parquet    likewise its failures

A record that is made again must have its part folded again: `forget_parts` removes the head before.
"""

from __future__ import annotations

import hashlib
import io
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import groupby
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from pipelines.output.folder import Output
from pipelines.output.listing import Listing
from pipelines.output.record import META
from pipelines.output.retries import Retries
from schemas.json_text import read_json
from schemas.manifest import FAILURES_FILE, SAMPLES_FILE, ShardRow
from storage.read import read_bytes
from storage.tables import read_bounded
from storage.write import remove_file

ROWS_PER_PART = 1_000_000  # about; a part is a file that one worker writes and pandas opens
MOST_TASKS = 1000  # in a part; each is a request
READS_AT_ONCE = 32
TABLES = (SAMPLES_FILE, FAILURES_FILE)  # those that are made of parts


def tasks_per_part(config: Mapping[str, Any]) -> int:
    """Number of tasks in a part of this job: about a million rows, and never more than `MOST_TASKS`.

    `config` is the resolved config. The number depends on a field of the fingerprint alone, so that every run
    of a job has the same parts.
    """
    shard = config.get("shard") or {}
    return max(1, min(MOST_TASKS, ROWS_PER_PART // int(shard.get("max_samples", 1000))))


@dataclass(frozen=True, slots=True)
class Part:
    """A part as it has to be. Small and picklable: it travels to the workers."""

    index: int
    tasks: tuple[tuple[int, int], ...]  # ranges of tasks that it holds, (first, last + 1)
    # runs of (retry, task that it repeats, length), as far as done
    retries: tuple[tuple[int, int, int], ...] = ()

    @property
    def name(self) -> str:
        """The stem of its files' names."""
        digest = hashlib.blake2b(repr((self.tasks, self.retries)).encode(), digest_size=6).hexdigest()
        return f"{self.index:05d}-{digest}"

    def files(self) -> tuple[str, ...]:
        """Names of its files: the head, and its rows until the end moves them."""
        return (f"{self.name}.parquet", *(f"{self.name}.{table}" for table in TABLES))

    def is_folded(self, listing: Listing) -> bool:
        """Is its head there?"""
        return f"{self.name}.parquet" in listing.parts

    def numbers(self) -> Iterator[int]:
        """Yield its tasks, in order."""
        for first, stop in self.tasks:
            yield from range(first, stop)

    def retries_of(self) -> dict[int, list[int]]:
        """Task of the plan -> its retries, in order."""
        found: dict[int, list[int]] = {}
        for retry, origin, length in self.retries:
            for step in range(length):
                found.setdefault(origin + step, []).append(retry + step)
        return {origin: sorted(numbers) for origin, numbers in found.items()}


def plan_parts(done: Iterable[int], retries: Retries, size: int) -> list[Part]:
    """The parts of these tasks, in order. Raises ConfigError for a damaged retry plan."""
    tasks = sorted(done)
    answers = retries.by_part(set(tasks), size)
    return [
        Part(index, tuple(_ranges(group)), answers.get(index, ()))
        for index, group in groupby(tasks, key=lambda task: task // size)
    ]


def _ranges(numbers: Iterable[int]) -> Iterator[tuple[int, int]]:
    first = stop = None
    for number in numbers:
        if number != stop:
            if first is not None and stop is not None:
                yield first, stop
            first = number
        stop = number + 1
    if first is not None and stop is not None:
        yield first, stop


def head_path(output: Output, part: Part) -> str:
    """Path of a part's head."""
    return output.state("parts", f"{part.name}.parquet")


def rows_path(output: Output, part: Part, table: str) -> str:
    """Path of a part's rows of a table until the job's end moves them.

    `table` is ``samples.parquet`` or ``failures.parquet``.
    """
    return output.state("parts", f"{part.name}.{table}")


def forget_parts(output: Output, listing: Listing, tasks: Iterable[int], size: int) -> None:
    """Remove the heads of the parts that hold these tasks, because they will be made again."""
    parts = {f"{task // size:05d}" for task in tasks}
    heads = [name for name in listing.parts if name.partition("-")[0] in parts and is_head(name)]
    with ThreadPoolExecutor(READS_AT_ONCE) as pool:
        list(pool.map(lambda name: remove_file(output.state("parts", name)), heads))
    listing.parts.difference_update(heads)


def is_head(name: str) -> bool:
    """Is it the name of a head?"""
    return name.count(".") == 1


@dataclass(frozen=True, slots=True)
class TaskCount:
    """The outcome of a task, with the failures that a later retry has answered left out."""

    task: int
    inputs: int
    written: int
    failed: int


@dataclass(frozen=True)
class Head:
    """A part without its rows."""

    shards: tuple[ShardRow, ...]
    tasks: tuple[TaskCount, ...]
    reasons: Mapping[str, int]  # reason -> failures


def read_heads(output: Output, parts: Sequence[Part]) -> list[Head]:
    """Read the heads of parts. Raises OSError, and ValueError that names a damaged one."""
    with ThreadPoolExecutor(READS_AT_ONCE) as pool:
        return list(pool.map(lambda part: _read_head(head_path(output, part)), parts))


def _read_head(path: str) -> Head:
    try:
        rows = read_bounded(pq.ParquetFile(io.BytesIO(read_bytes(path))))
        meta = read_json((rows.schema.metadata or {})[META])
        shards = tuple(ShardRow(**row) for row in rows.to_pylist())
        return Head(shards, tuple(TaskCount(*counts) for counts in meta["tasks"]), meta["reasons"])
    except (pa.ArrowException, KeyError, TypeError, ValueError) as error:
        raise ValueError(f"{path}: damaged: {error}; remove it and run the job again") from None
