"""A discrete-event model of one job: workers, losses, an engine's restart rules. `benchmarks.scale_resume` adds kills.

    python -m benchmarks.scale_events           a table of docs/scale.md, and benchmarks/results/scale_events.json

`make scale-model` runs it after `benchmarks.scale_model`. Put your own figures into `Engine`.
"""

from __future__ import annotations

import heapq
import json
import random
import statistics
from dataclasses import dataclass
from pathlib import Path

from benchmarks import harness
from pipelines.running.remote.sizes import PART_SECONDS, divide, part_sizes

RESULTS = Path(__file__).parent / "results" / "scale_events.json"
RUNS = 5


@dataclass(frozen=True)
class Engine:
    """What an engine does about a lost worker machine."""

    name: str
    deal: str  # what a free slot takes: a single task, one of the parts, or nothing, for it has all from the start
    restart: float  # seconds until a restarted subtask makes again
    away: float  # seconds until a lost machine is back
    part_start: float = 0.0  # seconds until a new part makes


DATAFLOW = Engine("Dataflow, Spark", "single", restart=20.0, away=120.0)
# One Flink job per slot at a time: a loss restarts what ran on the lost machine.
PARTS = Engine("Flink", "parts", restart=20.0, away=120.0, part_start=15.0)
PARTS_SPARE = Engine("Flink with spare machines", "parts", restart=20.0, away=10.0, part_start=15.0)
# One Flink job: a loss restarts the making subtasks on every machine.
ONE_JOB = Engine("Flink, one job", "all", restart=20.0, away=120.0)
ONE_JOB_SPARE = Engine("Flink, one job, with spare machines", "all", restart=20.0, away=10.0)


@dataclass(frozen=True)
class Work:
    """The tasks of a job."""

    tasks: int
    slots: int
    seconds: float = 40.0  # mean length of a task
    spread: float = 0.25  # of its logarithm


def durations(work: Work, seed: int) -> list[float]:
    """Draw the length of each task in seconds."""
    rng = random.Random(seed)
    mean = -work.spread * work.spread / 2
    return [work.seconds * rng.lognormvariate(mean, work.spread) for _ in range(work.tasks)]


def run(work: Work, engine: Engine, losses_an_hour: float, seed: int = 0) -> tuple[float, float]:
    """Simulate one job. Returns its hours, and the lost seconds per second of making."""
    times = durations(work, seed)
    simulate = {"single": _taken, "parts": _in_parts, "all": _dealt}[engine.deal]
    return simulate(work, engine, times, losses_an_hour, random.Random(seed + 1))


def _taken(
    work: Work, engine: Engine, times: list[float], losses: float, rng: random.Random
) -> tuple[float, float]:
    """A free worker takes the next task. A lost one gives its task back."""
    queue, wasted, end = list(times), 0.0, 0.0
    free = [(0.0, slot) for slot in range(work.slots)]
    while queue:
        now, slot = heapq.heappop(free)
        length = queue.pop()
        lost = rng.expovariate(losses / 3600) if losses else float("inf")
        if lost < length:
            queue.insert(0, length)
            wasted += lost
            heapq.heappush(free, (now + lost + engine.away + engine.restart, slot))
            continue
        end = max(end, now + length)
        heapq.heappush(free, (now + length, slot))
    return end / 3600, wasted / sum(times)


def _in_parts(
    work: Work, engine: Engine, times: list[float], losses: float, rng: random.Random
) -> tuple[float, float]:
    """A free slot takes the next part, a number of tasks. A lost slot resumes its part elsewhere."""
    least = round(PART_SECONDS / work.seconds)
    parts = divide(times, part_sizes(len(times), work.slots, least))
    free, wasted, end = [0.0] * work.slots, 0.0, 0.0
    for part in parts:
        now = heapq.heappop(free) + engine.part_start
        for length in part:
            while losses and (up := rng.expovariate(losses / 3600)) < length:
                wasted += up
                now += up + engine.away + engine.restart
            now += length
        end = max(end, now)
        heapq.heappush(free, now)
    return end / 3600, wasted / sum(times)


def _dealt(
    work: Work, engine: Engine, times: list[float], losses: float, rng: random.Random
) -> tuple[float, float]:
    """Each slot has its own tasks. After a loss all subtasks start again, and pass over what has a record."""
    parts = [times[slot :: work.slots] for slot in range(work.slots)]
    done, now, wasted = [0] * work.slots, 0.0, 0.0
    while any(count < len(part) for count, part in zip(done, parts, strict=True)):
        up = rng.expovariate(losses * work.slots / 3600) if losses else float("inf")
        longest = 0.0
        for slot, part in enumerate(parts):
            left, start = up, done[slot]
            while done[slot] < len(part) and left >= part[done[slot]]:
                left -= part[done[slot]]
                done[slot] += 1
            longest = max(longest, sum(part[start : done[slot]]))
            if done[slot] < len(part):
                wasted += left
        finished = all(count == len(part) for count, part in zip(done, parts, strict=True))
        now += longest if finished else up + engine.away + engine.restart
    return now / 3600, wasted / sum(times)


SMALL = Work(12_000, 64)
LARGE = Work(400_000, 4096)


def losses_table() -> list[dict[str, object]]:
    """12 M pairs on 64 slots, under each engine and rate of losses."""
    rows: list[dict[str, object]] = []
    for engine in (DATAFLOW, PARTS, PARTS_SPARE, ONE_JOB, ONE_JOB_SPARE):
        for hours in (0.0, 24.0, 2.0):
            found = [run(SMALL, engine, 1 / hours if hours else 0.0, seed) for seed in range(RUNS)]
            row: dict[str, object] = {"engine": engine.name, "each_lost_every_h": hours or None}
            row["hours"] = statistics.fmean(took for took, _ in found)
            row["wasted"] = statistics.fmean(wasted for _, wasted in found)
            rows.append(row)
    return rows


def main() -> int:
    """Print the table and keep it as JSON."""
    losses = losses_table()
    print("| engine | each machine lost every | hours | making lost |\n|---|---|---|---|")
    for row in losses:
        every = f"{row['each_lost_every_h']:.0f} h" if row["each_lost_every_h"] else "never"
        print(f"| {row['engine']} | {every} | {row['hours']:.2f} | {100 * row['wasted']:.1f} % |")
    RESULTS.write_text(json.dumps({"losses": losses}, indent=1) + "\n")
    return 0


if __name__ == "__main__":
    harness.numbers(__doc__)
    raise SystemExit(main())
