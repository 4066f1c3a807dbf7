"""Time and peak memory of planning a retry of many failures.

    python -m benchmarks.retry_plan 100 1000     thousands of failures; benchmarks/results/retry_plan.json

Tasks have 1,000 inputs, and 400 of them failed. Every size runs in a process of its own.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from typing import Any

import pyarrow as pa

from benchmarks import harness
from benchmarks.records import CONFIG, Nothing
from pipelines.making.config import ShardConfig
from pipelines.output.folder import Output
from pipelines.output.job import Job
from pipelines.output.listing import list_output
from pipelines.output.record import RECORD, Record
from pipelines.retry_plan import Failures, tasks_left
from schemas.records import Task

INPUTS, FAILED = 1000, 400


def write_records(output: Output, tasks: int) -> None:
    """Write records whose failures are all distinct."""
    os.makedirs(output.state("records"))
    written = pa.array([None] * FAILED, pa.string())
    for task in range(tasks):
        keys = [f"tars-{task:06d}-{row:010d}" for row in range(FAILED)]
        columns = {
            name: pa.nulls(FAILED, kind) for name, kind in zip(RECORD.names, RECORD.types, strict=True)
        }
        columns |= {"status": pa.array(["failed"] * FAILED), "key": pa.array(keys), "detail": written}
        columns |= {"reason": pa.array(["http_404"] * FAILED), "task": pa.array([task] * FAILED, pa.int64())}
        rows = pa.table(columns, schema=RECORD)
        with open(output.record_path(task), "wb") as stream:
            stream.write(Record(task, "f" * 16, INPUTS, rows).to_bytes(""))


def run_one(failures: int) -> dict[str, Any]:
    """Measure one size in this process. The records are folded first, in a process of its own."""
    tasks = failures // FAILED
    with tempfile.TemporaryDirectory() as folder:
        output = Output(f"{folder}/clips")
        if os.fork() == 0:
            write_records(output, tasks)
            Failures(output, _job(tasks), list_output(output))
            os._exit(0)
        os.wait()
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        start = time.process_time()
        planned = Failures(output, _job(tasks), list_output(output)).write_plan(())
        plan_s = time.process_time() - start
        keys = sum(len(task.keys or ()) for task in tasks_left(output, set(range(tasks))))
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        assert (planned, keys) == (tasks, failures)
        size = os.path.getsize(output.state("retries", f"{tasks:08d}.jsonl")) / 1e6
    return {
        "failures": failures, "tasks": tasks, "plan_mb": round(size, 1), "plan_cpu_s": round(plan_s, 2),
        "peak_mb": round(peak), "peak_mb_before": round(before),
    }  # fmt: skip


def _job(tasks: int) -> Job:
    def plan() -> Any:
        return (Task(index, INPUTS, {"uri": f"gs://corpus/{index:06d}.tar"}) for index in range(tasks))

    return Job("animate", CONFIG, {"tasks": tasks}, plan, Nothing(), ShardConfig())


def main(argv: list[str]) -> int:
    """Run every size in a new process, and keep the results."""
    parser = argparse.ArgumentParser(prog="benchmarks.retry_plan", description=__doc__)
    parser.add_argument("thousands", nargs="*", type=int, default=[100, 1000])
    parser.add_argument("--one", action="store_true", help="in this process; print the result alone")
    args = parser.parse_args(argv)
    if args.one:
        print(json.dumps(run_one(1000 * args.thousands[0])))
        return 0
    rows = []
    for thousands in args.thousands:
        command = [sys.executable, "-m", "benchmarks.retry_plan", "--one", str(thousands)]
        done = subprocess.run(command, capture_output=True, text=True)
        if done.returncode:
            print(done.stderr[-2000:], file=sys.stderr)
            return 1
        rows.append(json.loads(done.stdout.splitlines()[-1]))
        print(rows[-1], flush=True)
    harness.write("retry_plan", {"rows": rows})
    return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
