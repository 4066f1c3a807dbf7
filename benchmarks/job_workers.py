"""How the job grows with its worker processes, and the CPU time that the job's own process takes per clip.

    python -m benchmarks.job --workers 1,2,4,8,16 [--clips 400] [--rounds 3]

Each number of workers makes `--clips` clips per worker with Beam's direct runner, start-up included and
apart. Numbers above the cores of this machine are left out. The own process reads the source, runs Beam, and
writes and hashes the shards. Its CPU seconds per clip bound the clips/s, however many workers there are, as
far as its threads cannot run side by side. Hashing, writing and receiving can.
"""

from __future__ import annotations

import argparse
import json
import resource
import shutil
import statistics
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from benchmarks.harness import spread, write
from benchmarks.job import PER_SHARD, job
from pipelines.sources.base import Source, make_source
from pipelines.sources.config import SourceConfig
from pipelines.workers.shared import available_cores
from zoetrope.samples import write_folder

SHARE_OF_LINEAR = 0.9  # wanted up to the number of cores
CLIPS_PER_SECOND = 1500  # wanted with 16 workers
OWN_CPU_MS = 0.6  # wanted per clip
ENOUGH = 100  # clips per worker; results of fewer are only printed


@dataclass(frozen=True)
class Run:
    """One job."""

    clips: int
    seconds: float
    own_cpu: float  # CPU seconds of the job's own process
    workers_cpu: float  # of its worker processes


def make(source: Source, folder: Path, workers: int, clips: int) -> Run:
    """Run the job into an empty folder."""
    output = folder / f"out-{time.monotonic_ns()}"
    output.mkdir()
    before, began = _cpu(), time.perf_counter()
    job(source, output, workers)
    seconds, after = time.perf_counter() - began, _cpu()
    shutil.rmtree(output)
    return Run(clips, seconds, after[0] - before[0], after[1] - before[1])


def make_warm(folder: Path) -> None:
    """Run a job of one clip, so that the next one finds Beam imported and the disk's caches filled."""
    source = SourceConfig(kind="folder", uri=str(folder / "pictures"), limit=1)
    make(make_source(source, shard_samples=PER_SHARD), folder, 1, 1)


def _cpu() -> tuple[float, float]:
    """CPU seconds of this process, and of its children that have ended."""
    own, children = (resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return own.ru_utime + own.ru_stime, children.ru_utime + children.ru_stime


def measure(folder: Path, workers: int, clips: int, rounds: int) -> list[tuple[Run, Run]]:
    """Pairs of a job with one handful of clips per worker, which is start-up, and of the whole job."""
    pictures, total = folder / "pictures", workers * clips
    few = min(2 * workers, total)
    sources = [
        make_source(SourceConfig(kind="folder", uri=str(pictures), limit=limit), shard_samples=PER_SHARD)
        for limit in (few, total)
    ]
    return [
        (make(sources[0], folder, workers, few), make(sources[1], folder, workers, total))
        for _ in range(rounds)
    ]


def row(workers: int, pairs: list[tuple[Run, Run]]) -> dict[str, object]:
    """The figures of one number of workers. Rates are of the time after start-up."""
    steady = [
        Run(
            whole.clips - start.clips,
            whole.seconds - start.seconds,
            whole.own_cpu - start.own_cpu,
            whole.workers_cpu - start.workers_cpu,
        )
        for start, whole in pairs
    ]
    return {
        "workers": workers,
        "clips": pairs[0][1].clips,
        "clips_per_second": spread([run.clips / run.seconds for run in steady], 1),
        "clips_per_second_with_start_up": spread([whole.clips / whole.seconds for _, whole in pairs], 1),
        "start_up_seconds": spread([start.seconds for start, _ in pairs], 2),
        "own_cpu_ms_per_clip": spread([1e3 * run.own_cpu / run.clips for run in steady], 3),
        "workers_cpu_ms_per_clip": spread([1e3 * run.workers_cpu / run.clips for run in steady], 3),
    }


def main(argv: list[str]) -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--workers", default="1,2,4,8,16", help="numbers of worker processes")
    parser.add_argument("--clips", type=int, default=400, help="per worker")
    parser.add_argument("--rounds", type=int, default=3)
    args = parser.parse_args(argv)
    cores = available_cores()
    wanted = [int(text) for text in args.workers.split(",")]
    numbers = [number for number in wanted if number <= cores]
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        write_folder(Path(folder) / "pictures", max(numbers) * args.clips)
        for number in numbers:
            make_warm(Path(folder))
            rows.append(row(number, measure(Path(folder), number, args.clips, args.rounds)))
            print(rows[-1], flush=True)
    rate = "clips_per_second_with_start_up"  # the other one is a difference, which a busy machine spoils
    rates = {entry["workers"]: entry[rate]["median"] for entry in rows}  # type: ignore[index]
    own = statistics.median(entry["own_cpu_ms_per_clip"]["median"] for entry in rows)  # type: ignore[index]
    first = min(numbers)
    results = {
        "cores": cores,
        "left_out": [number for number in wanted if number > cores],
        "rows": rows,
        "share_of_linear": {
            str(number): round(found * first / number / rates[first], 3) for number, found in rates.items()
        },
        "bound_by_own_process_clips_per_second": round(1e3 / own),
        "wanted": {
            "share_of_linear": SHARE_OF_LINEAR,
            "clips_per_second_of_16": CLIPS_PER_SECOND,
            "own_cpu_ms": OWN_CPU_MS,
        },
    }
    if args.clips < ENOUGH:
        print(json.dumps(results, indent=2))
    else:
        print(write("job_workers", results).read_text())
    return 0
