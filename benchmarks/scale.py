"""1k, 10k (and 100k) samples: clips/s flat, resident memory flat.

``python -m benchmarks.scale [sizes...]``, default 1000 10000. Each size is the real command in a new process,
over links to the same pictures, so that a large corpus costs no disk. The shards are removed between sizes.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from benchmarks import harness
from zoetrope.samples import write_folder

PICTURES = 200


def corpus(folder: Path, count: int) -> Path:
    """Make `count` hard links to PICTURES pictures, with captions."""
    base = write_folder(folder / "base", PICTURES)
    target = folder / f"pictures-{count}"
    target.mkdir()
    stills = sorted(base.rglob("*.jpg"))
    for number in range(count):
        still = stills[number % len(stills)]
        os.link(still, target / f"{number:07d}.jpg")
        (target / f"{number:07d}.txt").write_text(f"picture {number}")
    return target


def measure(folder: Path, count: int) -> dict[str, float]:
    pictures, output = corpus(folder, count), folder / f"clips-{count}"
    start = time.perf_counter()
    command = [
        sys.executable,
        "-m",
        "zoetrope.cli",
        "animate",
        "source.kind=folder",
        f"source.uri={pictures}",
    ]
    process = subprocess.Popen([*command, f"output={output}", "store=still"], stdout=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    seconds = time.perf_counter() - start
    if process.returncode:
        raise RuntimeError(f"the job ended with {process.returncode}")
    job = json.loads((output / "report.json").read_text())["run"]["seconds"]
    shutil.rmtree(output)
    shutil.rmtree(pictures)
    shutil.rmtree(folder / "base")
    return {
        "seconds": round(seconds, 2),
        "job_seconds": job,
        "clips_per_second": round(count / job, 1),
        "max_rss_mb": round(usage.ru_maxrss / 1024, 1),
    }


def main(sizes: list[int]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        rows = {str(count): measure(Path(folder), count) for count in sizes}
    print(harness.write("scale", {"store": "still", "samples": rows}).read_text())


if __name__ == "__main__":
    main(harness.sizes(__doc__, "sizes", [1000, 10_000]))
