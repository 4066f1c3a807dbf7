"""The whole job with and without the GPU, on the same cores: `python -m benchmarks.job --gpu [--clips 2000]`.

`zoetrope animate` runs as users run it, in a process of its own, over pictures of 512x384: `store=frames` on
the CPU, on the GPU and with `device=auto`, and `store=still`, which renders nothing. Rates are of whole
commands, start-up included. Wanted on a GPU with 16 cores: 3,000 clips/s with `store=frames`, and never less
than without the GPU. Without a GPU the CPU alone is run, and no result is kept. Result:
benchmarks/results/job_gpu.json
"""

from __future__ import annotations

import argparse
import json
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch

from benchmarks.harness import ROOT, write
from zoetrope.samples import write_folder

WANTED = 3000  # clips per second
CASES = {
    "frames, cpu": ("frames", "cpu"),
    "frames, cuda": ("frames", "cuda"),
    "frames, auto": ("frames", "auto"),
    "still, auto": ("still", "auto"),
}


def run(pictures: Path, output: Path, store: str, device: str, limit: float) -> dict[str, Any]:
    """Run one command. Returns clips per second, and the first line that it printed."""
    command = [sys.executable, "-m", "zoetrope", "animate", "source.kind=folder", f"source.uri={pictures}"]
    command += [f"output={output}", f"store={store}", f"device={device}"]
    began = time.perf_counter()
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=limit, check=False)
    seconds = time.perf_counter() - began
    if done.returncode:
        last = (done.stderr.strip().splitlines() or [""])[-1]
        return {"failed": f"exit {done.returncode}: {last[-300:]}"}
    clips = sum(1 for _ in written(output))
    printed = done.stderr.strip().splitlines()  # stdout has the result
    return {
        "clips": clips,
        "seconds": round(seconds, 2),
        "clips_per_s": round(clips / seconds, 1),
        "said": printed[0] if printed else "",
    }


def written(output: Path) -> Sequence[str]:
    """List the samples that shards hold."""
    sizes = json.loads((output / "sizes.json").read_text())
    return [name for name, count in sizes.items() for _ in range(count)]


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.job --gpu",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--clips", type=int, default=2000)
    parser.add_argument("--limit", type=float, default=120.0, help="seconds of one command")
    arguments = parser.parse_args(argv)
    has_gpu = torch.cuda.is_available()
    results: dict[str, Any] = {}
    with tempfile.TemporaryDirectory() as folder:
        pictures = write_folder(Path(folder) / "pictures", arguments.clips)
        for number, (name, (store, device)) in enumerate(CASES.items()):
            if device == "cuda" and not has_gpu:
                results[name] = {"left_out": "no GPU that torch can use"}
                continue
            output = Path(folder) / f"out-{number}"
            try:
                results[name] = run(pictures, output, store, device, arguments.limit)
            except subprocess.TimeoutExpired:
                results[name] = {"failed": f"took longer than {arguments.limit:g} s"}
            print(f"{name}: {results[name]}", flush=True)
            shutil.rmtree(output, ignore_errors=True)
            if has_gpu:  # each case at once: what follows may run out of time
                gpu = torch.cuda.get_device_name()
                write("job_gpu", {"gpu": gpu, "wanted_clips_per_s": WANTED, "results": results})
    failed = [f"{name}: {result['failed']}" for name, result in results.items() if "failed" in result]
    if failed:
        print(f"failed: {failed[0]}")
    return int(bool(failed))


if __name__ == "__main__":
    raise SystemExit(main())
