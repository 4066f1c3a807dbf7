"""An output folder: names, the record of each task, and the commit that makes a task done.

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

import io
import json
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from schemas.manifest import FAILURES, SAMPLES, ShardRow
from storage.find import list_names
from storage.login import check_folder_address
from storage.read import file_exists, file_size, open_uri, read_bytes
from storage.uris import absolute, join
from storage.write import move_file, remove_file, remove_tree, write_bytes

STATE = "_zoetrope"
RECORD = pa.schema(
    [
        ("status", pa.string()),
        *SAMPLES,
        *(f for f in FAILURES if f.name in ("stage", "reason", "detail")),
        ("task", pa.int64()),
    ]
)
META = b"zoetrope"
RECORD_FILE = "record.parquet"  # in an attempt's folder; written last


@dataclass(frozen=True)
class Record:
    """What became of the inputs of one task."""

    task: int
    fingerprint: str
    inputs: int  # read from the source; written + failed, or something was lost
    rows: pa.Table  # RECORD: a row an input, in input order
    shards: tuple[ShardRow, ...] = ()
    counters: Mapping[str, float] = field(default_factory=dict)  # ms per stage, seconds of the shard, ...

    @property
    def samples(self) -> pa.Table:
        """The written ones, SAMPLES."""
        return self._where("written").select(SAMPLES.names).cast(SAMPLES)

    @property
    def failures(self) -> pa.Table:
        """The failed ones, FAILURES."""
        return self._where("failed").select(FAILURES.names).cast(FAILURES)

    @property
    def written(self) -> int:
        """How many inputs became samples."""
        return self._where("written").num_rows

    @property
    def failed(self) -> int:
        """How many did not."""
        return self._where("failed").num_rows

    def without_failures(self, keys: frozenset[str]) -> Record:
        """The record less its failures of these keys, which a later task answers for."""
        if not keys:
            return self
        status, names = self.rows["status"].to_pylist(), self.rows["key"].to_pylist()
        keep = [not (s == "failed" and k in keys) for s, k in zip(status, names, strict=True)]
        kept = self.rows.filter(pa.array(keep, pa.bool_()))
        dropped = self.rows.num_rows - kept.num_rows
        return Record(self.task, self.fingerprint, self.inputs - dropped, kept, self.shards, self.counters)

    def _where(self, status: str) -> pa.Table:
        return self.rows.filter(pc.equal(self.rows["status"], status))

    def to_bytes(self) -> bytes:
        """As a parquet file."""
        meta = {
            "task": self.task,
            "fingerprint": self.fingerprint,
            "inputs": self.inputs,
            "shards": [asdict(row) for row in self.shards],
            "counters": dict(self.counters),
        }
        out = io.BytesIO()
        pq.write_table(
            self.rows.replace_schema_metadata({META: json.dumps(meta).encode()}), out, compression="zstd"
        )
        return out.getvalue()

    @classmethod
    def from_bytes(cls, data: bytes) -> Record:
        """Read one back. Raises ValueError if it is none."""
        try:
            rows = pq.read_table(
                io.BytesIO(data), use_threads=False
            )  # small, and each thread would keep memory
            meta = json.loads((rows.schema.metadata or {})[META])
        except (pa.ArrowException, KeyError, ValueError, OSError) as error:
            raise ValueError(str(error)) from None
        shards = tuple(ShardRow(**row) for row in meta.pop("shards"))
        return cls(rows=rows.replace_schema_metadata(None), shards=shards, **meta)


@dataclass(frozen=True)
class Attempt:
    """A task made under temporary names, to be committed. Small: it passes the checkpoint between make and commit."""

    task: int
    folder: str  # of its temporary files
    parts: tuple[tuple[str, int], ...]  # (final name, bytes) of 000.tar, 001.tar, ... in `folder`


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

    def done(self) -> set[int]:
        """The tasks that have a record."""
        found = (
            name.removesuffix(".parquet")
            for name in list_names(self.state("records"))
            if name.endswith(".parquet")
        )
        return {int(name) for name in found if name.isdigit()}

    def read_record(self, task: int) -> Record:
        """One task's record as it was written. Raises OSError or ValueError naming the file."""
        path = self.record_path(task)
        try:
            return Record.from_bytes(read_bytes(path))
        except ValueError as error:
            raise ValueError(_bad_record(path, error)) from None

    def read_shards(self, task: int) -> tuple[ShardRow, ...]:
        """The shards in one task's record, without its rows. Raises as `read_record`."""
        path = self.record_path(task)
        try:
            meta = json.loads((pq.read_schema(io.BytesIO(read_bytes(path))).metadata or {})[META])
            return tuple(ShardRow(**row) for row in meta["shards"])
        except (pa.ArrowException, KeyError, ValueError) as error:
            raise ValueError(_bad_record(path, error)) from None

    def iter_records(self) -> Iterator[Record]:
        """Every record in task order, one at a time in memory.

        A failure that a later task (`zoetrope retry`) answers for is left out of the earlier record, so that each input
        stands in exactly one row.
        """
        done = self.done()
        origins = {row["index"]: row["origin"] for row in self.iter_retry_tasks() if row["index"] in done}
        later: dict[int, list[int]] = {}
        for retry, origin in origins.items():
            later.setdefault(origin, []).append(retry)
        for task in sorted(done):
            retries = [retry for retry in later.get(origins.get(task, task), ()) if retry > task]
            answered = {key for retry in retries for key in self.read_record(retry).rows["key"].to_pylist()}
            yield self.read_record(task).without_failures(frozenset(answered))

    def iter_retry_tasks(self) -> Iterator[dict[str, Any]]:
        """Rows of the persisted retry plans, in task order: the fields of a Task, and its origin in the plan."""
        for name in sorted(list_names(self.state("retries"))):
            if name.endswith(".jsonl"):
                with open_uri(self.state("retries", name)) as stream:
                    for line in stream:
                        yield json.loads(line)

    def commit(self, attempt: Attempt) -> bool:
        """Move an attempt's shards to their final names, then its record. May run twice, or be cut off anywhere.

        Returns whether this call (rather than an earlier one) made the task done. Raises OSError if files are missing.
        """
        final = self.record_path(attempt.task)
        if file_exists(final):
            remove_tree(attempt.folder)
            return False
        for part, (name, size) in enumerate(attempt.parts):
            temporary, target = join(attempt.folder, f"{part:03d}.tar"), self.path(name)
            if file_exists(temporary):
                move_file(temporary, target)
            elif file_size(target) != size:
                raise OSError(
                    f"{target}: neither it nor {temporary} is there with {size} bytes; run the job again"
                )
        move_file(join(attempt.folder, RECORD_FILE), final)
        remove_tree(attempt.folder)
        return True

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

    def clean(self) -> None:
        """Remove what attempts left behind. Only under the lock: no other job may be writing."""
        remove_tree(self.tmp())

    def remove_strays(self, done: set[int]) -> None:
        """Remove shards of tasks without a record: a commit was cut off between its tar and its record."""
        for name in list_names(self.uri):
            task = task_of(name)
            if task is not None and task not in done:
                remove_file(self.path(name))


def _bad_record(path: str, error: Exception) -> str:
    return f"{path}: not a record: {error}; remove it and run the job again: its task is made anew"


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
