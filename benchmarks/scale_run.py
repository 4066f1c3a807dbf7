"""The machinery at scale, on samples of a few hundred bytes: planning, committing, finishing and validating.

    python -m benchmarks.scale_run 100 200 400         tasks of 1,000 samples each; JSON into benchmarks/results/

Every size runs in a new process, so that its peak memory is measured alone.
"""

from __future__ import annotations

import json
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass

from benchmarks import harness
from pipelines.making.config import ShardConfig
from pipelines.making.maker import Made, StageTimes
from pipelines.output.folder import Output
from pipelines.output.job import Job
from pipelines.output.validate import validate
from pipelines.running.submit import run_job
from schemas.records import Failure, Task

SAMPLES = 1000  # in a task
META = (
    b'{"format":1,"key":"%s","caption":"a dot","captions":["a dot"],"source":"tiny","original_width":8,"original_height":8,'
    b'"sha256":"","kind":"animated","store":"still","frames":1,"fps":8,"width":8,"height":8,"motion":"static",'
    b'"motion_parameters":{},"seed":0,"quads":[[[0,0],[1,0],[1,1],[0,1]]],"device":"cpu","version":"0"}'
)
ROW = {"caption": "a dot", "motion": "static", "frames": 1, "width": 8, "height": 8, "original_width": 8}
ROW |= {"original_height": 8, "zoom": 1.0, "source": "tiny", "url": None, "image_id": None}


@dataclass(frozen=True)
class Tiny:
    """A maker that needs no pictures."""

    def setup(self) -> None:
        pass

    def close(self) -> None:
        pass

    def make(self, task: Task, times: StageTimes) -> Iterator[Made | Failure]:
        for number in range(task.index * SAMPLES, (task.index + 1) * SAMPLES):
            key = f"tiny-{number:08d}"
            yield Made.of(key, {"jpg": b"picture", "txt": b"a dot", "json": META % key.encode()}, ROW)


def run_one(tasks: int) -> dict[str, float]:
    """Run one size in this process: CPU seconds of the job and of validation, and peak memory in MB."""
    with tempfile.TemporaryDirectory() as folder:
        job = Job(
            "animate", {"store": "still", "source": {"kind": "tiny"}}, {"tasks": tasks},
            lambda: (Task(index, SAMPLES, {}) for index in range(tasks)), Tiny(), ShardConfig(),
        )  # fmt: skip
        start = time.process_time()
        result = run_job(job, Output(f"{folder}/clips"), workers=1, overwrite=False, max_failure_ratio=0.0)
        made = time.process_time() - start
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        start = time.process_time()
        checked = validate(f"{folder}/clips", decode=False, workers=1)
        assert checked.ok, checked.problems[:3]
        assert result.totals.written == tasks * SAMPLES == checked.samples
        return {
            "samples": tasks * SAMPLES,
            "job_cpu_seconds": round(made, 2),
            "validate_cpu_seconds": round(time.process_time() - start, 2),
            "peak_mb_job": round(peak, 1),
        }


def main(argv: list[str]) -> int:
    """Run every size in a new process, and keep the results."""
    if argv[:1] == ["--one"]:
        print(json.dumps(run_one(int(argv[1]))))
        return 0
    rows = []
    for tasks in map(str, harness.sizes(__doc__, "tasks", [50, 100, 200])):
        done = subprocess.run(
            [sys.executable, "-m", "benchmarks.scale_run", "--one", tasks], capture_output=True, text=True
        )
        if done.returncode:
            print(done.stderr[-2000:], file=sys.stderr)
            return 1
        rows.append(json.loads(done.stdout.splitlines()[-1]))
        print(rows[-1], flush=True)
    harness.write("scale_run", {"rows": rows})
    return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
