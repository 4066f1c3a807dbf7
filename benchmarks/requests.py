"""Count what a job asks of an object store, at a GCS server on this machine with the real client.

    python -m benchmarks.requests               benchmarks/results/requests.json

It needs the server that `make test-gcs` builds. `benchmarks.scale_events` computes with these counts, and
`tests/engines/test_gcs_requests.py` fails if they are not what the file says.
"""

from __future__ import annotations

import json
import logging
import os
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "tests" / "support")]

import apache_beam as beam  # noqa: E402 - the path comes first
from gcs_requests import Asked, counted  # noqa: E402
from gcs_server import Gcs, run_gcs  # noqa: E402
from part_job import IN_PARTS  # noqa: E402
from tiny_job import ROW, TinyMaker, tiny_job, tiny_tasks  # noqa: E402

from benchmarks import harness  # noqa: E402
from pipelines.making.config import ShardConfig  # noqa: E402
from pipelines.making.maker import Made, StageTimes  # noqa: E402
from pipelines.output.folder import Output  # noqa: E402
from pipelines.output.job import Job, TaskAt, spool, task_to_json  # noqa: E402
from pipelines.running.engine import choose_runner  # noqa: E402
from pipelines.running.graph import JobSpec, MakeShards  # noqa: E402
from pipelines.running.launch import _Load  # noqa: E402
from pipelines.running.submit import run_job  # noqa: E402
from schemas.records import Task  # noqa: E402
from storage.write import create_file, remove_file  # noqa: E402

RESULTS = Path(__file__).parent / "results" / "requests.json"
SHARD_BYTES = 25_000_000  # 1,000 clips of the store `still`
PLAN_BYTES = 40_000_000  # the plan of 400,000 tasks
MAKING_BEGINS = r"/plan-.*alt=media"  # the first task is read from the plan


@dataclass(frozen=True)
class LargeMaker(TinyMaker):
    """One sample per task, as large as a shard."""

    def make(self, task: Task, times: StageTimes) -> Iterator[Made]:
        for item in super().make(task, times):
            yield Made.of(item.key, {"jpg": bytes(SHARD_BYTES), "txt": b"a dot", "json": b"{}"}, ROW)


def making(gcs: Gcs, name: str, tasks: list[Task], maker: TinyMaker) -> Asked:
    """Count the making of some shards: tasks from a plan, tars, records, moves."""
    output = Output(f"gs://corpus/{name}")
    plan = output.tmp("plan-0.jsonl")
    with create_file(plan) as stream:
        places = [place for _, place in spool(tasks, stream, plan)]
    spec = JobSpec(output.uri, "f" * 16, ShardConfig())
    choice = choose_runner((), 1)
    with counted(gcs.proxy) as asked, beam.Pipeline(runner=choice.runner, options=choice.options) as pipeline:
        _ = pipeline | beam.Create(places) | beam.ParDo(_Load(spec)) | MakeShards(maker, spec)
    return asked


def task_of_a_large_plan(gcs: Gcs) -> Asked:
    """Count the reading of one task from a plan of 400,000."""
    path = "gs://corpus/plans/large.jsonl"
    line = task_to_json(tiny_tasks(1, 5)[0])
    with create_file(path) as stream:
        for _ in range(PLAN_BYTES // (1000 * len(line))):
            stream.write(1000 * line)
    with counted(gcs.proxy) as asked:
        TaskAt(path, PLAN_BYTES // 2 // len(line) * len(line), len(line)).load()
    return asked


def resume(gcs: Gcs, tasks: int, *, parts: bool) -> Asked:
    """Count a resume of a job that lacks one task. `parts`: its tables are made of parts of two tasks."""
    output = Output(f"gs://corpus/resume-{tasks}-{parts}")
    job = tiny_job(tasks, 2)
    if parts:
        job = replace(job, config={**job.config, "shard": IN_PARTS})
    _run(job, output)
    for path in (output.record_path(3), output.path("00003.tar"), output.state("finished.json")):
        remove_file(path)
    with counted(gcs.proxy) as asked:
        _run(job, output)
    return asked


def _run(job: Job, output: Output) -> None:
    run_job(job, output, workers=1, overwrite=False, max_failure_ratio=0.0)


def measure(gcs: Gcs) -> dict[str, Any]:
    """Everything that the file holds. The clients of this process must go to `gcs`."""
    small, shards = 10, making(gcs, "making", tiny_tasks(10, 2), TinyMaker())
    large = making(gcs, "large", tiny_tasks(1, 1), LargeMaker())
    line = task_of_a_large_plan(gcs)
    short, long, parted = (
        resume(gcs, 20, parts=False),
        resume(gcs, 40, parts=False),
        resume(gcs, 40, parts=True),
    )
    before = long.until(MAKING_BEGINS)
    return {
        "shard": {
            "requests": shards.requests / small,
            "kinds": {k: n / small for k, n in shards.kinds.items()},
        },
        "shard_of_25_MB": {"requests": large.requests, "kinds": large.kinds},
        "task_of_a_plan_of_40_MB": {"requests": line.requests, "bytes": line.sent},
        "resume_before_the_first_task": {
            "requests_of_20": short.until(MAKING_BEGINS).requests,
            "requests_of_40": before.requests,
            "listings": len(before.listings()),
            "records_read": before.reads("/records/"),
        },
        "resume_in_all": {
            "records_read_of_20": short.reads("/records/"),
            "records_read_of_40": long.reads("/records/"),
            "records_read_of_40_in_parts_of_2": parted.reads("/records/"),
        },
        "requests_of_a_resume_of_40": long.requests,  # give or take a sign of life of the lock
        "connections": {"shards_of_10": shards.connections, "resume_of_40": long.connections},
    }


def main() -> int:
    """Count, print and keep the counts."""
    logging.getLogger("apache_beam").setLevel(logging.CRITICAL)
    with tempfile.TemporaryDirectory() as folder, run_gcs(Path(folder)) as gcs:
        os.environ.update(gcs.env)
        found = measure(gcs)
    text = json.dumps(found, indent=1) + "\n"
    print(text)
    RESULTS.write_text(text)
    return 0


if __name__ == "__main__":
    harness.numbers(__doc__)
    raise SystemExit(main())
