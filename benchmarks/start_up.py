"""A small job from the command line to its exit, and other commands, beside the import of Beam alone.

    python -m benchmarks.start_up [--rounds 7] [--pictures 24] [--against FOLDER]

Each round runs every command once, in an interpreter of its own. Seconds are wall time; CPU seconds include
the worker processes. `--against` names another checkout (with a `.venv`), whose `zoetrope animate` takes turns
with ours.
"""

from __future__ import annotations

import argparse
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from benchmarks.harness import ROOT, ratio, spread, write
from zoetrope.samples import write_folder

ANIMATE, BEAM, OTHER = "zoetrope animate", "import apache_beam", "zoetrope animate of the other checkout"
WANTED_SECONDS = 2.5  # of ANIMATE, 24 pictures, two cores that do nothing else


def commands(pictures: Path, output: Path, against: Path | None) -> dict[str, Callable[[], None]]:
    """Functions that each run one command to its end."""

    def animate(checkout: Path, python: str) -> None:
        shutil.rmtree(output, ignore_errors=True)
        arguments = ["--config", "folder", f"source.uri={pictures}", f"output={output}"]
        run([python, "-m", "zoetrope", "animate", *arguments], checkout)

    found: dict[str, Callable[[], None]] = {
        ANIMATE: lambda: animate(ROOT, sys.executable),
        BEAM: lambda: run([sys.executable, "-c", "import apache_beam"], ROOT),
        "zoetrope animate --help": lambda: run([sys.executable, "-m", "zoetrope", "animate", "--help"], ROOT),
        "zoetrope validate": lambda: run([sys.executable, "-m", "zoetrope", "validate", str(output)], ROOT),
    }
    if against is not None:
        found[OTHER] = lambda: animate(against, str(against / ".venv" / "bin" / "python"))
    return found


def run(command: list[str], folder: Path) -> None:
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"{' '.join(command)}: exit code {done.returncode}: {done.stderr.strip()}")


def cpu_seconds() -> float:
    """Of every child that has ended, its own children included."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--pictures", type=int, default=24)
    parser.add_argument("--against", type=lambda text: Path(text).resolve())
    args = parser.parse_args()
    seconds: dict[str, list[float]] = {}
    cpu: dict[str, list[float]] = {}
    with tempfile.TemporaryDirectory() as folder:
        pictures = write_folder(Path(folder) / "pictures", args.pictures)
        ways = commands(pictures, Path(folder) / "output", args.against)
        for turn in range(-1, args.rounds):  # the first round fills the caches of the disk
            for name, case in ways.items():
                began, used = time.perf_counter(), cpu_seconds()
                case()
                if turn >= 0:
                    seconds.setdefault(name, []).append(time.perf_counter() - began)
                    cpu.setdefault(name, []).append(cpu_seconds() - used)
    results = {
        "pictures": args.pictures,
        "rounds": args.rounds,
        "wanted_seconds": WANTED_SECONDS,
        "seconds": {name: spread(values, 3) for name, values in seconds.items()},
        "cpu_seconds": {name: spread(values, 3) for name, values in cpu.items()},
        "best_seconds": round(min(seconds[ANIMATE]), 3),
    }
    if args.against is not None:
        results["times as fast as the other checkout"] = ratio(seconds, ANIMATE, OTHER)
        results["times as little CPU as the other checkout"] = ratio(cpu, ANIMATE, OTHER)
    print(write("start_up", results).read_text())
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
