"""Planning 12.4 million rows of a CC12M-like table (2.6 GB): seconds and peak memory.

    python -m benchmarks.plan [--rows 12400000]

Writes a synthetic table into a temporary folder, plans it in a new process, and deletes it. The table has a
bad row in every ten thousand, so that what is planned is what a real file holds. Targets: under 30 s, under
500 MB.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from benchmarks.harness import write

ROWS, ROW_BYTES = 12_400_000, 210  # 2.6 GB
BLOCK_ROWS = 10_000


def write_table(path: Path, rows: int) -> None:
    """Write `rows` rows of about 210 bytes. Blocks differ in their numbers alone: planning sees no more."""
    words = "a photograph of a harbour at dusk with boats and the hills behind it as seen from the old lighthouse "
    block = [
        f"https://images.example.org/{i:08d}/picture.jpg\t{words}{i}".ljust(ROW_BYTES - 2, ".")
        for i in range(BLOCK_ROWS)
    ]
    block[BLOCK_ROWS // 2] = "no tab in this row"
    data = ("\n".join(block) + "\n").encode()
    with path.open("wb") as stream:
        for _ in range(rows // BLOCK_ROWS):
            stream.write(data)
        rest = rows % BLOCK_ROWS
        stream.write("".join(f"{row}\n" for row in block[:rest]).encode())


def plan(path: str) -> dict[str, float]:
    """Plan the table in this process, as `zoetrope animate` does before its first picture."""
    from pipelines.sources.base import make_source
    from pipelines.sources.config import SourceConfig

    source = make_source(SourceConfig(kind="cc12m", uri=path), shard_samples=1000)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    start, tasks, samples = time.perf_counter(), 0, 0
    for task in source.plan():
        tasks, samples = tasks + 1, samples + task.samples
    seconds = time.perf_counter() - start
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return {
        "tasks": tasks,
        "samples": samples,
        "seconds": seconds,
        "peak_mb": peak / 1024,
        "before_mb": before / 1024,
    }


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rows", type=int, default=ROWS)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--plan-only", help=argparse.SUPPRESS)
    arguments = parser.parse_args(argv)
    if arguments.plan_only:
        print(json.dumps(plan(arguments.plan_only)))
        return 0
    with tempfile.TemporaryDirectory(prefix="zoetrope-plan-") as folder:
        table = Path(folder) / "cc12m.tsv"
        write_table(table, arguments.rows)
        size = table.stat().st_size
        command = [sys.executable, "-m", "benchmarks.plan", "--plan-only", str(table)]
        runs = [
            json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout)
            for _ in range(arguments.runs)
        ]
    assert all(run["samples"] == arguments.rows for run in runs)
    runs.sort(key=lambda run: run["seconds"])
    middle = runs[len(runs) // 2]
    print(
        f"{arguments.rows:,} rows, {size / 1e9:.2f} GB: {middle['tasks']:,.0f} tasks in "
        f"{middle['seconds']:.1f} s (median of "
        f"{len(runs)}), peak {max(run['peak_mb'] for run in runs):.0f} MB ({middle['before_mb']:.0f} MB "
        f"before planning)"
    )
    print(write("plan", {"rows": arguments.rows, "bytes": size, "runs": runs}))
    return 0


if __name__ == "__main__":
    sys.exit(main())
