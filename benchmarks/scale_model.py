"""Estimate what a corpus costs in cores, hours, bytes and dollars, and what stragglers and lost machines add.

    python -m benchmarks.scale_model            the tables of docs/scale.md, and benchmarks/results/scale_model.json

Everything is a formula over the figures in `Assumptions`. Measure your own and put them there.
"""

from __future__ import annotations

import heapq
import json
import random
import statistics
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from benchmarks import harness

RESULTS = Path(__file__).parent / "results" / "scale_model.json"


@dataclass(frozen=True)
class Assumptions:
    """Measured here (rates, bytes), stated (link health), or public list prices, us-central1, US dollars."""

    prices_of: str = "2026-09"  # list prices change: check them
    clips_a_core_s: float = 65.0  # store=frames or still, 12 frames of 224x224: benchmarks/results/clip.json
    mp4_clips_a_core_s: float = 30.0
    fetches_a_core_s: float = 200.0  # img2dataset-like fetch, of a core with free bandwidth
    picture_bytes: float = 52e3  # of a source picture, reduced to about 512 pixels
    web_picture_bytes: float = 220e3  # of a picture as it is on the web
    frames_bytes: float = 200e3
    mp4_bytes: float = 90e3
    still_bytes: float = 25e3
    meta_bytes: float = 4e3  # txt, json, tar headers
    alive: float = 0.62  # of the links of CC12M; older lists have fewer
    efficiency: float = 0.8  # of cores, over a job: starts, the last shards, commits
    vcpu_hour: float = 0.056  # Dataflow batch worker, as Beam 2.77 has it in its own cost benchmarks
    gb_hour: float = 0.003557
    gb_a_vcpu: float = 4.0
    gcs_gb_month: float = 0.020  # this and the next two: Cloud Storage's price page of 2026-09-20
    class_a_1000: float = 0.005  # writes, lists, copies
    egress_gb: float = 0.12  # out of the cloud, the first 10 TiB a month (more is cheaper); within a region 0
    shard_samples: int = 1000


@dataclass(frozen=True)
class Cost:
    """The cost of one job."""

    pairs: int
    clips: int
    shards: int
    core_hours: float
    hours: float  # on `cores`
    cores: int
    read_tb: float
    written_tb: float
    compute_dollars: float
    storage_dollars_month: float
    request_dollars: float
    egress_dollars: float  # if the shards are taken out of the cloud once


def cost(pairs: int, store: str, *, from_web: bool, cores: int, a: Assumptions) -> Cost:
    """Apply the formulas. `store` is frames, mp4 or still."""
    clips = round(pairs * (a.alive if from_web else 1.0))
    rate = a.mp4_clips_a_core_s if store == "mp4" else a.clips_a_core_s
    seconds = clips / rate + (pairs / a.fetches_a_core_s if from_web else 0.0)
    core_hours = seconds / a.efficiency / 3600
    size = {"frames": a.frames_bytes, "mp4": a.mp4_bytes, "still": a.still_bytes}[store] + a.meta_bytes
    written, shards = clips * size, -(-pairs // a.shard_samples)
    return Cost(
        pairs=pairs,
        clips=clips,
        shards=shards,
        core_hours=core_hours,
        hours=core_hours / cores,
        cores=cores,
        read_tb=clips * (a.web_picture_bytes if from_web else a.picture_bytes) / 1e12,
        written_tb=written / 1e12,
        compute_dollars=core_hours * (a.vcpu_hour + a.gb_a_vcpu * a.gb_hour),
        storage_dollars_month=written / 1e9 * a.gcs_gb_month,
        request_dollars=shards * REQUESTS_A_SHARD / 1000 * a.class_a_1000,
        egress_dollars=written / 1e9 * a.egress_gb,
    )


# Class A: uploads and moves of a shard, as `benchmarks.requests` counted them, and its page of a listing.
COUNTED = json.loads((RESULTS.parent / "requests.json").read_text())["shard_of_25_MB"]["kinds"]
REQUESTS_A_SHARD = sum(count for kind, count in COUNTED.items() if kind != "read")


@dataclass(frozen=True)
class Schedule:
    """The outcome of a simulated job."""

    hours: float  # wall clock
    ideal_hours: float  # if every worker were busy to the end, and nothing were lost
    remade: float  # share of the shards that was made more than once
    tail_hours: float  # from the first idle worker to the end


def simulate(
    shards: int, workers: int, *, seconds: float = 40.0, spread: float = 0.25, stragglers: float = 0.02, slow: float = 5.0,
    preempted_an_hour: float = 0.0, away: float = 120.0, seed: int = 0,
) -> Schedule:  # fmt: skip
    """Simulate workers that take the next shard when they are free.

    A shard takes lognormal `seconds`, and a share `stragglers` of them `slow` times as long. A worker is lost
    `preempted_an_hour` times an hour together with its shard, which returns to the queue. The worker is back
    after `away` seconds.
    """
    rng = random.Random(seed)
    durations = [
        seconds
        * rng.lognormvariate(-spread * spread / 2, spread)
        * (slow if rng.random() < stragglers else 1.0)
        for _ in range(shards)
    ]
    queue = list(range(shards))[::-1]
    free = [(0.0, worker) for worker in range(workers)]
    heapq.heapify(free)
    ended, remade, idle = 0.0, 0, None
    waiting: list[tuple[float, int]] = []  # shards that a lost worker gave back: not before this time
    while queue or waiting:
        now, worker = heapq.heappop(free)
        if not queue:
            idle = now if idle is None else idle
            when, shard = min(waiting)
            waiting.remove((when, shard))
            now = max(now, when)
        else:
            shard = queue.pop()
        lost = rng.expovariate(preempted_an_hour / 3600) if preempted_an_hour else float("inf")
        if lost < durations[shard]:
            remade += 1
            heapq.heappush(waiting, (now + lost, shard))
            heapq.heappush(free, (now + lost + away, worker))
            continue
        heapq.heappush(free, (now + durations[shard], worker))
        ended = max(ended, now + durations[shard])
        if not queue and idle is None:
            idle = min(free)[0]
    ideal = sum(durations) / workers
    return Schedule(ended / 3600, ideal / 3600, remade / shards, max(0.0, ended - (idle or ended)) / 3600)


def tables(a: Assumptions) -> str:
    """Format the costs as the Markdown table of docs/scale.md."""
    titles = ["pairs", "from", "store", "clips", "core-hours", "hours on", "read TB", "written TB"]
    titles += ["compute", "storage a month", "out of the cloud"]
    lines = [f"| {' | '.join(titles)} |"]
    lines.append("|---|---|---|---|---|---|---|---|---|---|---|")
    for pairs, cores in ((12_000_000, 256), (400_000_000, 4096)):
        for from_web in (False, True):
            for store in ("frames", "mp4", "still"):
                c = cost(pairs, store, from_web=from_web, cores=cores, a=a)
                lines.append(
                    f"| {pairs / 1e6:.0f} M | {'web' if from_web else 'tars'} | {store} | "
                    f"{c.clips / 1e6:.1f} M "
                    f"| {c.core_hours:,.0f} "
                    f"| {c.hours:.1f} h on {cores} cores | {c.read_tb:.1f} | {c.written_tb:.1f} | "
                    f"${c.compute_dollars:,.0f} "
                    f"| ${c.storage_dollars_month:,.0f} | ${c.egress_dollars:,.0f} |"
                )
    return "\n".join(lines)


def schedules() -> list[tuple[str, Schedule]]:
    """Simulate some schedules. Returns a name and the mean outcome for each."""
    base = {"shards": 12_000, "workers": 64, "stragglers": 0.0}
    cases: Sequence[tuple[str, dict[str, float]]] = (
        ("nothing goes wrong", {}),
        ("2 % of shards five times slower", {"stragglers": 0.02}),
        ("spot machines, each lost every 2 h", {"preempted_an_hour": 0.5}),
        ("both", {"stragglers": 0.02, "preempted_an_hour": 0.5}),
        (
            "both, shards ten times larger",
            {"stragglers": 0.02, "preempted_an_hour": 0.5, "shards": 1_200, "seconds": 400.0},
        ),
    )
    return [
        (name, _mean([simulate(**{**base, **change, "seed": seed}) for seed in range(5)]))
        for name, change in cases
    ]  # type: ignore[arg-type]


def _mean(runs: Sequence[Schedule]) -> Schedule:
    fields = asdict(runs[0])
    return replace(runs[0], **{name: statistics.fmean(getattr(run, name) for run in runs) for name in fields})


def main() -> int:
    """Print the tables and keep them as JSON."""
    a = Assumptions()
    print(tables(a))
    print(
        "\n| schedule of 12 M pairs on 64 workers | hours | without losses or waits | made twice | tail, "
        "min |"
        "\n|---|---|---|---|---|"
    )
    told = schedules()
    for name, s in told:
        print(
            f"| {name} | {s.hours:.2f} | {s.ideal_hours:.2f} | {100 * s.remade:.1f} % | "
            f"{60 * s.tail_hours:.0f} |"
        )
    RESULTS.write_text(
        json.dumps({"assumptions": asdict(a), "schedules": {n: asdict(s) for n, s in told}}, indent=1) + "\n"
    )
    return 0


if __name__ == "__main__":
    harness.numbers(__doc__)
    raise SystemExit(main())
