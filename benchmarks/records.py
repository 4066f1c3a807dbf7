"""The end and a resume of a job of many tasks, on records that wait for every read as an object store does.

    python -m benchmarks.records 4000 40000 400000      tasks; benchmarks/results/records.json

The records are hard links to a few real ones of 1,000 rows. A read or a listing of 1,000 names waits 50 ms.
Of a large job a few parts are folded. The others are hard links too, as if the workers of a cluster had
folded them. Every size runs in a process of its own, so that its peak memory is measured alone.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any
from unittest import mock

import pyarrow as pa

from benchmarks import harness
from pipelines.making.config import ShardConfig
from pipelines.making.maker import Made, StageTimes
from pipelines.output import records as records_module
from pipelines.output.finish import finish
from pipelines.output.folder import Output
from pipelines.output.job import Job
from pipelines.output.listing import list_output
from pipelines.output.prepare import prepare_output
from pipelines.output.record import RECORD, Record
from pipelines.output.retries import Retries
from pipelines.output.tables import parts as parts_module
from pipelines.output.tables.fold import fold_part
from pipelines.output.tables.parts import plan_parts, tasks_per_part
from schemas.manifest import ShardRow
from schemas.records import Failure, Task
from storage.read import read_bytes

ROWS, DISTINCT = 1000, 16
LATENCY = 0.05  # seconds
CONFIG = {"store": "still", "source": {"kind": "tars"}, "shard": {"max_samples": ROWS}}
SHARD = 10_240  # bytes of a tar here; only its size is looked at


@dataclass(frozen=True)
class Nothing:
    """A maker that is never asked."""

    def setup(self) -> None:
        """Do nothing."""

    def close(self) -> None:
        """Do nothing."""

    def make(self, task: Task, times: StageTimes) -> Iterator[Made | Failure]:
        """Make nothing."""
        return iter(())


class Waiting:
    """Stands before a function that reads, and waits. Counts its calls."""

    def __init__(self, real: Any, seconds: float) -> None:
        self._real, self._seconds = real, seconds
        self._lock = threading.Lock()
        self.calls = 0

    def __call__(self, *arguments: Any) -> Any:
        """Wait, then read."""
        with self._lock:
            self.calls += 1
        time.sleep(self._seconds)
        return self._real(*arguments)


def write_records(output: Output, tasks: int) -> None:
    """Write records and shards: hard links to a few distinct ones. A link belongs to the task of its name."""
    os.makedirs(output.state("records"))
    sources = []
    for number in range(DISTINCT):
        table = pa.Table.from_pylist([_row(number, row) for row in range(ROWS)], schema=RECORD)
        shards = (
            ShardRow(f"{number:05d}.tar", ROWS - ROWS // 10, SHARD, "0" * 64, "a", "b", "f" * 16, number),
        )
        record = Record(number, "f" * 16, ROWS, table, shards)
        path, shard = output.record_path(number), output.path(f"{number:05d}.tar")
        with open(path, "wb") as stream, open(shard, "wb") as tar:
            stream.write(record.to_bytes(""))
            tar.write(bytes(SHARD))
        sources.append((path, shard))
    for task in range(DISTINCT, tasks):
        path, shard = _unlinked(sources[task % DISTINCT], task)
        os.link(path, output.record_path(task))
        os.link(shard, output.path(f"{task:05d}.tar"))


def _unlinked(source: tuple[str, str], task: int) -> tuple[str, str]:
    """A file takes about 65,000 links; a fresh copy begins each 60,000."""
    if task % (60_000 * DISTINCT) < DISTINCT and task >= DISTINCT:
        for path in source:
            with open(path, "rb") as stream:
                data = stream.read()
            os.remove(path)
            with open(path, "wb") as stream:
                stream.write(data)
    return source


def _row(number: int, row: int) -> dict[str, Any]:
    if row % 10 == 0:
        failed = {"status": "failed", "stage": "fetch", "reason": "http_404", "detail": "Not Found"}
        return {**failed, "key": f"tars-{number:05d}-{row:010d}", "url": f"https://a/{row}", "task": number}
    return {
        "status": "written", "key": f"tars-{number:05d}-{row:010d}", "shard": f"{number:05d}.tar",
        "caption": f"a dog number {row * 7919 % 1000} runs along the beach in the evening sun {number}",
        "motion": "zoom_in", "frames": 12, "width": 224, "height": 224, "original_width": 512,
        "original_height": 384, "zoom": 1.3 + row / 1000, "bytes": 25_000 + row * 13 % 997, "source": "tars",
        "url": f"https://images{row % 97}.example.com/photos/{(row * 2654435761) % 10**9}/{number}.jpg",
        "image_id": f"url-{(row * 2654435761 + number) % 2**64:016x}", "task": number,
    }  # fmt: skip


def run_one(tasks: int, folded: int) -> dict[str, Any]:
    """Measure one size in this process."""
    with tempfile.TemporaryDirectory() as folder:
        output = Output(f"{folder}/clips")
        write_records(output, tasks)
        job = Job("animate", CONFIG, {"tasks": tasks}, lambda: iter(()), Nothing(), ShardConfig())
        output.write_job({"kind": "animate", "config": CONFIG, "identity": {"tasks": tasks}})
        waiting = Waiting(read_bytes, LATENCY)
        found: dict[str, Any] = {"tasks": tasks, "rows": tasks * ROWS, "latency_s": LATENCY}
        with (
            mock.patch.object(records_module, "read_bytes", waiting),
            mock.patch.object(parts_module, "read_bytes", waiting),
        ):
            start, cpu = time.monotonic(), time.process_time()
            listing, published = prepare_output(output, job, overwrite=False)
            pages = -(-2 * tasks // 1000)  # a record and a shard each
            found["resume_s"] = round(time.monotonic() - start + pages * LATENCY, 1)
            found["resume_reads"] = waiting.calls
            _fold(output, listing.done, folded, found)
            start = time.monotonic()
            reads = waiting.calls
            totals = finish(output, CONFIG, published=published, listing=list_output(output))
            found["end_s"] = round(time.monotonic() - start + pages * LATENCY, 1)
            found["end_reads"] = waiting.calls - reads
            found["cpu_s"] = round(time.process_time() - cpu, 1)
        assert totals.written + totals.failed == totals.inputs == tasks * ROWS
        found["peak_mb"] = round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)
        return found


def _fold(output: Output, done: set[int], most: int, found: dict[str, Any]) -> None:
    """Fold parts one after another. Workers of a cluster fold them side by side, so the others are links."""
    parts = plan_parts(done, Retries(), tasks_per_part(CONFIG))
    start, cpu = time.monotonic(), time.process_time()
    folded = parts[:most]
    for part in folded:
        fold_part(output, part)
    found["parts"], found["parts_folded"] = len(parts), len(folded)
    found["fold_s_per_part"] = round((time.monotonic() - start) / len(folded), 2)
    found["fold_cpu_s_per_part"] = round((time.process_time() - cpu) / len(folded), 2)
    for part in parts[most:]:
        for source, target in zip(folded[0].files(), part.files(), strict=True):
            os.link(output.state("parts", source), output.state("parts", target))


def main(argv: list[str]) -> int:
    """Run every size in a new process, and keep the results."""
    parser = argparse.ArgumentParser(prog="benchmarks.records", description=__doc__)
    parser.add_argument("tasks", nargs="*", type=int, default=[4000, 40_000, 400_000])
    parser.add_argument(
        "--folded", type=int, default=2, help="parts that are folded here, four CPU seconds each"
    )
    parser.add_argument("--one", action="store_true", help="in this process; print the result alone")
    args = parser.parse_args(argv)
    if args.one:
        print(json.dumps(run_one(args.tasks[0], args.folded)))
        return 0
    rows = []
    for tasks in args.tasks:
        command = [
            sys.executable,
            "-m",
            "benchmarks.records",
            "--one",
            str(tasks),
            "--folded",
            str(args.folded),
        ]
        done = subprocess.run(command, capture_output=True, text=True)
        if done.returncode:
            print(done.stderr[-2000:], file=sys.stderr)
            return 1
        rows.append(json.loads(done.stdout.splitlines()[-1]))
        print(rows[-1], flush=True)
    harness.write("records", {"rows": rows})
    return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
