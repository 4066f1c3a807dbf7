"""What is wanted of a GPU, what was measured, and whether that is enough: one line for each number.

    python -m benchmarks.gpu_table [FOLDER]      # default: benchmarks/results

FOLDER has the JSON that `benchmarks/gpu.sh` leaves there, and its log for the tests. A number that was not measured is
a line too. `benchmarks/gpu.sh` prints this table last.
"""

from __future__ import annotations

import argparse
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from benchmarks.harness import ROOT

Result = Mapping[str, Any]
RESULTS = ("render_gpu", "job_gpu", "encode_gpu", "training", "job_workers")
SHARED_MB = 64  # what a container has of /dev/shm by default
NOISE = 0.95  # of two runs of the same job


class Line(NamedTuple):
    """One number."""

    name: str
    wanted: str
    measured: str
    met: bool | None  # None: not measured, or nothing is wanted of it


def at_most(name: str, found: float | None, wanted: float, unit: str = "") -> Line:
    """Compare with the largest value that is wanted."""
    if found is None:
        return Line(name, f"<= {wanted:g}{unit}", "not measured", None)
    return Line(name, f"<= {wanted:g}{unit}", f"{found:g}{unit}", found <= wanted)


def at_least(name: str, found: float | None, wanted: float, unit: str = "") -> Line:
    """Compare with the smallest value that is wanted."""
    if found is None:
        return Line(name, f">= {wanted:g}{unit}", "not measured", None)
    return Line(name, f">= {wanted:g}{unit}", f"{found:g}{unit}", found >= wanted)


def shown(name: str, found: object | None) -> Line:
    """Give a number that no limit is set to."""
    return Line(name, "", "not measured" if found is None else str(found), None)


def median(result: Result, *path: str) -> float | None:
    """Return the median of a measurement, or None if it was not made."""
    value: Any = result
    for name in path:
        if not isinstance(value, Mapping) or name not in value:
            return None
        value = value[name]
    if isinstance(value, Mapping):
        return value.get("median")
    return value


def over(first: float | None, second: float | None, digits: int = 2) -> float | None:
    """Return the ratio of two numbers, if there are both."""
    if first is None or not second:
        return None
    return round(first / second, digits)


def rendering(result: Result) -> Iterator[Line]:
    """Lines of `benchmarks.render_gpu`."""
    by_height = {entry["picture"][0]: entry for entry in result.get("results", ())}
    small = by_height.get(384, {})
    yield at_most("128 stills of 512x384, device", median(small, "device_ms"), 6, " ms")
    yield at_most("128 stills of 512x384, host", median(small, "host_ms"), 3, " ms")
    yield at_most(
        "128 stills of 1,600 pixels, device", median(by_height.get(1600, {}), "device_ms"), 25, " ms"
    )
    strict = over(median(small, "device_ms_deterministic"), median(small, "device_ms"))
    yield at_most("deterministic over loose, device", strict, 1.1, " x")
    differences = [entry["largest_difference"] for entry in by_height.values()]
    yield at_most("largest difference from the CPU", max(differences, default=None), 1, " levels")
    counts = result.get("counted", {}).get("384x512", {})
    of_64 = median(counts, "64", "operators")
    yield at_most("operators for 64 stills", of_64, 250)
    yield at_most("operators for 64 over 8 stills", over(of_64, median(counts, "8", "operators")), 1.3, " x")
    for height, entry in by_height.items():
        fused = entry.get("triton", {})
        times = over(median(entry, "device_ms"), median(fused, "device_ms"))
        yield shown(f"Triton, {height} rows", fused.get("left_out") or f"{times} x as fast as kornia")


def job(result: Result) -> Iterator[Line]:
    """Lines of `benchmarks.job_gpu`."""
    cases = result.get("results", {})
    rate = {name: median(cases, f"frames, {name}", "clips_per_s") for name in ("cpu", "cuda", "auto")}
    yield at_least("job with the GPU", rate["cuda"], 3000, " clips/s")
    yield at_least("job with the GPU over without", over(rate["cuda"], rate["cpu"]), 1, " x")
    best = max((found for name, found in rate.items() if found and name != "auto"), default=None)
    yield at_least("job with device=auto over the best", over(rate["auto"], best), NOISE, " x")
    yield shown("device=auto says", cases.get("frames, auto", {}).get("said"))
    yield shown("store=still, clips/s", median(cases, "still, auto", "clips_per_s"))


def encoding(result: Result) -> Iterator[Line]:
    """Lines of `benchmarks.encode_gpu`: the GPU must beat all cores."""
    cases = result.get("results", {})
    all_cores = median(cases, "cpu", "clips_per_s")
    if all_cores:
        all_cores *= result["cores"]
    for name in ("torchcodec", "torchvision"):
        times = over(median(cases, name, "clips_per_s"), all_cores)
        reason = cases.get(name, {}).get("left_out")
        yield shown(f"nvJPEG through {name}", reason or (times and f"{times} x all cores"))


def training(result: Result) -> Iterator[Line]:
    """Lines of `benchmarks.training`."""
    models = result.get("models", {})
    runs = {name: (found.get("training") or [{}])[0] for name, found in models.items()}
    small = "ViT-B-32-quickgelu"
    ours, eager, loose = (runs.get(f"{small} {mode}", {}) for mode in ("compiled", "eager", "loose"))
    rate = median(ours, "samples_per_s")
    yield at_least("ViT-B/32, batch 128", rate, 1000, " samples/s")
    yield at_least("ViT-B/32, MFU", median(ours, "mfu"), 0.33)
    spent = [median(ours, name) for name in ("prepare", "data_wait")]
    waits = None if None in spent else round(sum(part or 0.0 for part in spent), 4)
    yield at_most("ViT-B/32, prepare and wait", waits, 0.03, " of a step")
    plain = median(models.get(f"{small} compiled", {}), "plain_loop", "ours_over_it")
    yield at_least("ViT-B/32 over the plain loop", plain, 1.5, " x")
    yield at_most("ViT-B/32, /dev/shm", median(ours, "shm_mb"), SHARED_MB, " MB")
    yield at_least("ViT-B/16, MFU", median(runs.get("ViT-B-16-quickgelu compiled", {}), "mfu"), 0.45)
    yield shown("compiled over eager", over(rate, median(eager, "samples_per_s")))
    yield shown("loose over deterministic", over(median(loose, "samples_per_s"), rate))
    found = models.get(f"{small} eager", {})
    for name, field in (("without", "largest_batch"), ("with", "largest_batch_with_checkpointing")):
        yield shown(f"largest batch {name} checkpointing", found.get(field))


def workers(result: Result) -> Iterator[Line]:
    """Lines of `benchmarks.job --workers`."""
    wanted = result.get("wanted", {})
    shares = result.get("share_of_linear", {})
    worst = min(shares.values(), default=None)
    yield at_least("job's share of linear growth", worst, wanted.get("share_of_linear", 0.9))
    by_workers = {entry["workers"]: entry for entry in result.get("rows", ())}
    found = median(by_workers.get(16, {}), "clips_per_second")
    yield at_least("job on 16 cores", found, wanted.get("clips_per_second_of_16", 1500), " clips/s")


def tests(folder: Path) -> Iterator[Line]:
    """The last line of pytest in the log, of the latest run of each part that ran tests."""
    log = folder / "gpu.log"
    text = log.read_text(errors="replace") if log.exists() else ""
    closings: dict[str, str] = {}
    for name, said in re.findall(r"^== (tests\w*)(.*?)(?=^== |\Z)", text, re.MULTILINE | re.DOTALL):
        for line in re.findall(r"^\d+ (?:passed|failed|skipped|error).*$", said, re.MULTILINE):
            closings[name] = line
    if not closings:
        yield Line("tests marked gpu", "all pass", "not run", None)
        return
    passed = all("passed" in line and not re.search(r"failed|error", line) for line in closings.values())
    yield Line("tests marked gpu", "all pass", "; ".join(closings.values()), passed)


def lines(folder: Path) -> list[Line]:
    """Return all lines from the results in a folder."""
    found: dict[str, Result] = {}
    for name in RESULTS:
        path = folder / f"{name}.json"
        found[name] = json.loads(path.read_text()) if path.exists() else {}
    return [
        *tests(folder),
        *rendering(found["render_gpu"]),
        *job(found["job_gpu"]),
        *encoding(found["encode_gpu"]),
        *training(found["training"]),
        *workers(found["job_workers"]),
    ]


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folder", nargs="?", type=Path, default=ROOT / "benchmarks" / "results")
    folder = parser.parse_args(argv).folder
    words = {True: "yes", False: "NO", None: ""}
    print(f"{'':34} {'wanted':16} {'measured':34} met")
    for line in lines(folder):
        print(f"{line.name:34} {line.wanted:16} {line.measured:34} {words[line.met]}".rstrip())
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
