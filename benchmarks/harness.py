"""Shared by the benchmarks: interleaved rounds, medians with IQR, and the JSON with its origin.

Cases take turns within a round, so that whatever else the machine does hits all of them. A ratio is the
median of the rounds' ratios. It holds on a busy machine, where the times themselves do not.
"""

from __future__ import annotations

import argparse
import importlib.metadata
import json
import os
import platform
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
PACKAGES = (
    *("numpy", "opencv-python-headless", "torch", "triton", "torchvision", "torchcodec", "kornia"),
    *("open_clip_torch", "pillow", "simplejpeg", "av", "apache-beam"),
)


def numbers(about: str | None, **defaults: int) -> list[int]:
    """The whole numbers of a benchmark's command line, each with a default, in this order.

    `--help` shows them and `about`, the docstring of the module. Without `defaults` it is the only option.
    """
    parser = _parser(about)
    for name, default in defaults.items():
        parser.add_argument(name, nargs="?", type=int, default=default, help=f"default {default}")
    return list(vars(parser.parse_args()).values())


def sizes(about: str | None, name: str, defaults: Sequence[int]) -> list[int]:
    """Any number of whole numbers from a benchmark's command line."""
    parser = _parser(about)
    in_words = " ".join(map(str, defaults))
    parser.add_argument(name, nargs="*", type=int, default=defaults, help=f"default {in_words}")
    return list(vars(parser.parse_args())[name])


def _parser(about: str | None) -> argparse.ArgumentParser:
    return argparse.ArgumentParser(
        prog=f"python -m benchmarks.{Path(sys.argv[0]).stem}",
        description=about,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )


def interleave(
    cases: Mapping[str, Callable[[], object]],
    *,
    rounds: int,
    warm_up: int = 2,
    clock: Callable[[], float] = time.perf_counter,
) -> dict[str, list[float]]:
    """The seconds of each case in each round, by `clock`.

    On a busy machine `time.process_time` gives a better ratio of cases that use one thread.
    """
    seconds: dict[str, list[float]] = {name: [] for name in cases}
    for turn in range(-warm_up, rounds):
        for name, case in cases.items():
            start = clock()
            case()
            if turn >= 0:
                seconds[name].append(clock() - start)
    return seconds


def spread(values: Sequence[float], digits: int = 4) -> dict[str, float]:
    """Return the median and the distance of the quartiles."""
    low, middle, high = statistics.quantiles(values, n=4, method="inclusive")
    return {"median": round(middle, digits), "iqr": round(high - low, digits)}


def ratio(seconds: Mapping[str, Sequence[float]], ours: str, theirs: str) -> dict[str, float]:
    """Return how many times faster `ours` is than `theirs` in each round."""
    return spread([b / a for a, b in zip(seconds[ours], seconds[theirs], strict=True)], 3)


def origin() -> dict[str, Any]:
    """Return commit, hardware and versions."""
    return {
        "commit": _git("rev-parse", "HEAD"),
        "uncommitted_changes": bool(_git("status", "--porcelain", "--untracked-files=no")),
        "cpu": _cpu(),
        "cores": os.cpu_count(),
        "load_average": round(os.getloadavg()[0], 1),  # over the cores, times are those of a busy machine
        "system": platform.platform(),
        "python": platform.python_version(),
        "versions": {name: _version(name) for name in PACKAGES},
        "date": time.strftime("%Y-%m-%d", time.gmtime()),
    }


def write(name: str, results: Mapping[str, Any]) -> Path:
    """Write benchmarks/results/NAME.json."""
    path = ROOT / "benchmarks" / "results" / f"{name}.json"
    path.parent.mkdir(exist_ok=True)
    path.write_text(json.dumps({"benchmark": name, **origin(), **results}, indent=2) + "\n")
    return path


def _git(*arguments: str) -> str:
    command = ["git", "-C", str(ROOT), *arguments]
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    except OSError:  # a machine without git
        return ""
    return done.stdout.strip()


def _cpu() -> str:
    info = Path("/proc/cpuinfo")
    models = (
        [
            line.partition(":")[2].strip()
            for line in info.read_text().splitlines()
            if line.startswith("model name")
        ]
        if info.exists()
        else []
    )
    return models[0] if models else platform.processor()


def _version(name: str) -> str | None:
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return None
