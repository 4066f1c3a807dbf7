"""A job killed at 10, 50 and 90 %: the work that is kept, the time to the first new task; wall clock by phase.

    python -m benchmarks.scale_resume           tables of docs/scale.md, and benchmarks/results/scale_resume.json

The requests are those that `benchmarks.requests` counted, and the times of folding those of `benchmarks.records`.
The latency of a request and the start of an engine are assumptions: put your own into `Store` and `Assumed`.
"""

from __future__ import annotations

import heapq
import json
import math
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from benchmarks import harness
from benchmarks.scale_events import LARGE, SMALL, Work, durations

FOLDER = Path(__file__).parent / "results"
RESULTS = FOLDER / "scale_resume.json"
PARALLEL = 32  # reads and moves at once: pipelines.output.tables
TASKS_PER_PART = 1000
NAMES_PER_TASK = 2  # a record and a shard


@dataclass(frozen=True)
class Store:
    """Requests, as they were counted, and their latency."""

    per_shard: float  # in the making of a shard of 25 MB
    writes_per_shard: float  # of these, uploads and moves
    before_first_task: float  # of a resume, pages of listings apart
    seconds: float = 0.05  # per request: assumed
    names_per_page: int = 1000

    @classmethod
    def counted(cls) -> Store:
        """The counts of `benchmarks.requests`."""
        found = json.loads((FOLDER / "requests.json").read_text())
        shard, resume = found["shard_of_25_MB"], found["resume_before_the_first_task"]
        writes = sum(count for kind, count in shard["kinds"].items() if kind != "read")
        pages = resume["listings"]  # of 40 tasks: one page each
        return cls(shard["requests"], writes, resume["requests_of_40"] - pages)

    def listing(self, tasks: float) -> float:
        """Seconds to list an output."""
        return self.seconds * math.ceil(NAMES_PER_TASK * tasks / self.names_per_page)

    def parallel(self, requests: float) -> float:
        """Seconds of requests that are made side by side."""
        return self.seconds * math.ceil(requests / PARALLEL)


@dataclass(frozen=True)
class Assumed:
    """Seconds that no test here measures, and one that a benchmark does."""

    start: float = 120.0  # of the engine: virtual machines, image
    large_start: float = 300.0  # of hundreds of machines
    plan_tasks_per_second: float = 20_000.0  # planned and written as lines
    fold_cpu: float = 4.0  # CPU seconds to fold a part of a million rows
    end_cpu_per_task: float = 0.0004  # manifest, sizes.json, wids.json

    @classmethod
    def measured(cls) -> Assumed:
        """With the figures of `benchmarks.records`."""
        rows = json.loads((FOLDER / "records.json").read_text())["rows"]
        last = rows[-1]
        own = (last["cpu_s"] - last["parts_folded"] * last["fold_cpu_s_per_part"]) / last["tasks"]
        return cls(fold_cpu=last["fold_cpu_s_per_part"], end_cpu_per_task=max(0.0, own))


@dataclass(frozen=True)
class Phases:
    """Wall clock of a job by phase, seconds."""

    plan: float
    start: float
    making: float
    fold: float  # on the workers
    end: float  # in the submitter


def phases(work: Work, store: Store, assumed: Assumed) -> Phases:
    """The phases of a job that nothing disturbs."""
    parts = math.ceil(work.tasks / TASKS_PER_PART)
    return Phases(
        work.tasks / assumed.plan_tasks_per_second,
        assumed.large_start if work.slots > 1000 else assumed.start,
        _making(work),
        math.ceil(parts / work.slots) * _fold(store, assumed),
        _end(work, store, assumed, parts),
    )


def _making(work: Work) -> float:
    free = [0.0] * work.slots
    for length in durations(work, 0):
        heapq.heapreplace(free, free[0] + length)
    return max(free)


def _fold(store: Store, assumed: Assumed) -> float:
    return store.parallel(TASKS_PER_PART) + assumed.fold_cpu


def _end(work: Work, store: Store, assumed: Assumed, parts: int) -> float:
    """A listing, the heads of the parts, two moves for each, a dozen files."""
    requests = store.listing(work.tasks) + store.parallel(3 * parts) + 12 * store.seconds
    return requests + assumed.end_cpu_per_task * work.tasks


@dataclass(frozen=True)
class Resume:
    """The outcome of a kill and of the same command after it."""

    kept: float  # share of the seconds of making that has a record
    until_planned: float  # seconds: listing, other requests, plan
    until_first: float  # seconds until the first new task is done
    end: float  # seconds from the last task to the tables: folds on the workers, then the end


def resume(work: Work, share: float, store: Store, assumed: Assumed) -> Resume:
    """Kill a job after `share` of its making, and run the command again."""
    at = share * _making(work)
    free = [0.0] * work.slots
    spent = kept = 0.0
    count = 0
    for length in durations(work, 0):
        begun = heapq.heapreplace(free, free[0] + length)
        spent += max(0.0, min(length, at - begun))
        if begun + length <= at:
            kept, count = kept + length, count + 1
    planned = store.listing(count) + store.before_first_task * store.seconds
    planned += work.tasks / assumed.plan_tasks_per_second
    whole = phases(work, store, assumed)
    return Resume(kept / spent, planned, planned + whole.start + work.seconds, whole.fold + whole.end)


def killed_in_the_end(work: Work, store: Store, assumed: Assumed) -> float:
    """Seconds of the same command after a kill when every task was made and no part folded: it folds alone."""
    parts = math.ceil(work.tasks / TASKS_PER_PART)
    return parts * _fold(store, assumed) + _end(work, store, assumed, parts)


def compute() -> dict[str, Any]:
    """Everything that the tables show."""
    store, assumed = Store.counted(), Assumed.measured()
    sizes = {"12 M": SMALL, "400 M": LARGE}
    return {
        "store": asdict(store),
        "assumed": asdict(assumed),
        "phases": {pairs: asdict(phases(work, store, assumed)) for pairs, work in sizes.items()},
        "resumes": [
            {"pairs": pairs, "killed_at": share, **asdict(resume(work, share, store, assumed))}
            for pairs, work in sizes.items()
            for share in (0.1, 0.5, 0.9)
        ],
        "killed_in_the_end": {p: killed_in_the_end(work, store, assumed) for p, work in sizes.items()},
        "writes_per_second": {
            p: store.writes_per_shard * work.slots / work.seconds for p, work in sizes.items()
        },
        "reads_per_second": {
            p: (store.per_shard - store.writes_per_shard) * work.slots / work.seconds
            for p, work in sizes.items()
        },
    }


def _time(seconds: float) -> str:
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.1f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"


def main() -> int:
    """Print the tables and keep them as JSON."""
    found = compute()
    print("| phase | 12 M | 400 M |\n|---|---|---|")
    for name in ("plan", "start", "making", "fold", "end"):
        print(
            f"| {name} | {' | '.join(_time(found['phases'][pairs][name]) for pairs in ('12 M', '400 M'))} |"
        )
    print(
        "\n| pairs | killed at | work kept | planned after | first new task | end |\n|---|---|---|---|---|---|"
    )
    for row in found["resumes"]:
        times = " | ".join(_time(row[name]) for name in ("until_planned", "until_first", "end"))
        print(f"| {row['pairs']} | {100 * row['killed_at']:.0f} % | {100 * row['kept']:.1f} % | {times} |")
    for name in ("killed_in_the_end", "writes_per_second", "reads_per_second"):
        print(f"\n{name}: " + ", ".join(f"{pairs}: {value:.0f}" for pairs, value in found[name].items()))
    RESULTS.write_text(json.dumps(found, indent=1) + "\n")
    return 0


if __name__ == "__main__":
    harness.numbers(__doc__)
    raise SystemExit(main())
