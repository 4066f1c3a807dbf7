"""Rendering on a GPU compared with one thread of the CPU.

The clips have 12 frames of 224x224 along paths of the default motions.

    python -m benchmarks.render_gpu [--rounds 9]
    python -m benchmarks.render_gpu --device cpu --rounds 2       # counts; shows that it runs without a GPU
    python -m benchmarks.render_gpu --counts                      # counts alone, kept in render_operators.json

`job` is the work of `zoetrope animate` on a batch: pictures to the GPU, frames back. `training` is the
trainer's: pictures are on the GPU, the plan came with them from a loader's worker, and frames stay. `host_ms`
is the time until the call returns, `device_ms` the time until the GPU is done, `plan_ms` the worker's time.
`triton` has the same of the two fused kernels behind `renderer="triton"`, and how far its frames are from
kornia's.
Operators, kernels, bytes moved, copies and waits are counted on fake tensors of a CUDA device, so they need no GPU. The
largest difference from the CPU's frames is in grey levels. Without a GPU no times are kept. Result:
benchmarks/results/render_gpu.json
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch

from benchmarks.harness import interleave, ratio, spread, write
from benchmarks.operators import CUDA, count_operators, fake_cuda
from benchmarks.pictures import FRAMES, SIZE, photograph
from transforms.motions.mix import MotionMix, draw
from transforms.rendering.kornia import render_packed, to_device
from transforms.rendering.plan import plan_batch
from transforms.rendering.render import prepare_worker, render_batch

PHOTOGRAPHS = ("astronaut", "chelsea", "coffee", "rocket", "hubble_deep_field", "retina")
PICTURES = [(384, 512), (800, 1067), (1600, 2133)]
JOB, TRAINING = 32, 128  # clips in a batch
COUNTED = (8, 64, 128)  # clips in a batch whose operators are counted
# Wanted on an H100 or H200 for a batch of TRAINING clips, in milliseconds: picture height -> (device, host).
WANTED = {384: (6.0, 3.0), 1600: (25.0, None)}


def paths_of(count: int, height: int, width: int) -> list[np.ndarray]:
    """Draw paths of the default motions, as the job does."""
    mix = MotionMix.default()
    shape = {"image_size": (height, width), "frames": FRAMES, "size": SIZE}
    return [draw(mix, seed=i, **shape).quads_T42 for i in range(count)]


def count(height: int, width: int) -> dict[str, dict[str, float]]:
    """Count what one batch in training asks of torch, for several sizes of batch."""
    counts = {}
    for clips in COUNTED:
        plan, words = plan_batch(paths_of(clips, height, width), [(height, width)] * clips, SIZE)
        with fake_cuda() as fake:
            pixels = fake(torch.empty(clips * height * width * 3, dtype=torch.uint8))
            numbers = fake(torch.from_numpy(words))
            _, counted = count_operators(
                lambda pixels=pixels, numbers=numbers, plan=plan: render_packed(
                    pixels.to(CUDA, non_blocking=True), plan, numbers.to(CUDA, non_blocking=True)
                )
            )
        counts[str(clips)] = {
            "operators": counted.total,
            "kernels": counted.kernels,
            "copies": counted.copies,
            "waits": counted.waits,
            "moved_gb": round(counted.moved / 1e9, 2),
        }
    return counts


class Batch:
    """Pictures of one size and their paths, ready for each way of rendering."""

    def __init__(self, height: int, width: int, clips: int, device: str) -> None:
        photographs = [np.ascontiguousarray(photograph(name, height, width)) for name in PHOTOGRAPHS]
        self.images = [photographs[i % len(photographs)] for i in range(clips)]
        self.paths = paths_of(clips, height, width)
        self.sizes = [(height, width)] * clips
        self.device = torch.device(device)
        self.plan, words = plan_batch(self.paths, self.sizes, SIZE)
        self.words = to_device(words, self.device)
        self.pixels = torch.cat([torch.from_numpy(image).flatten() for image in self.images]).to(self.device)

    def cpu(self) -> object:
        return render_batch(self.images[:JOB], self.paths[:JOB], size=SIZE, device="cpu")

    def job(self) -> object:
        images, paths = self.images[:JOB], self.paths[:JOB]
        return render_batch(images, paths, size=SIZE, device=self.device.type, renderer="kornia")

    def launch(self) -> torch.Tensor:
        return render_packed(self.pixels, self.plan, self.words)

    def launch_triton(self) -> torch.Tensor:
        from transforms.rendering.fused import render_part

        return render_packed(self.pixels, self.plan, self.words, render_part)

    def training(self) -> object:
        frames = self.launch()
        wait(self.device)
        return frames

    def largest_difference(self) -> int:
        """Compare with the CPU's frames, in grey levels."""
        pairs = zip(self.job(), self.cpu(), strict=True)
        return max(int(np.abs(ours.astype(int) - theirs).max()) for ours, theirs in pairs)


def wait(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize()


def milliseconds(call: Callable[[], object], rounds: int, device: torch.device) -> list[float]:
    """Time until the call returns, with an idle device at its start."""
    times = []
    for _ in range(rounds):
        wait(device)
        start = time.perf_counter()
        call()
        times.append(1000 * (time.perf_counter() - start))
    wait(device)
    return times


def device_milliseconds(call: Callable[[], object], rounds: int) -> list[float]:
    """Time between events around the call.

    The device waits first, so that it is never out of work in between.
    """
    times = []
    for _ in range(rounds):
        start, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
        torch.cuda._sleep(20_000_000)  # cycles, about 10 ms: the host queues all kernels meanwhile
        start.record()
        call()
        end.record()
        torch.cuda.synchronize()
        times.append(start.elapsed_time(end))
    return times


def measure(height: int, width: int, clips: int, device: str, rounds: int) -> dict[str, Any]:
    """Clips per second of each case for pictures of one size, and the milliseconds of a batch in training."""
    batch = Batch(height, width, clips, device)
    cases = {"cpu": batch.cpu, "job": batch.job, "training": batch.training}
    seconds = interleave(cases, rounds=rounds)
    in_case = {"cpu": min(JOB, clips), "job": min(JOB, clips), "training": clips}
    per_clip = {name: [s / in_case[name] for s in times] for name, times in seconds.items()}
    planning = milliseconds(lambda: plan_batch(batch.paths, batch.sizes, SIZE), rounds, batch.device)
    result: dict[str, Any] = {
        "picture": [height, width],
        "clips": clips,
        "clips_per_s": {name: spread([1 / s for s in times], 0) for name, times in per_clip.items()},
        "over_a_cpu_thread": {name: ratio(per_clip, name, "cpu") for name in ("job", "training")},
        "plan_ms": spread(planning, 2),
        "largest_difference": batch.largest_difference(),
    }
    if batch.device.type == "cuda":
        result["host_ms"] = spread(milliseconds(batch.launch, rounds, batch.device), 2)
        result["device_ms"] = spread(device_milliseconds(batch.launch, rounds), 2)
        result["wanted_ms"] = dict(zip(("device", "host"), WANTED.get(height, (None, None)), strict=True))
        torch.use_deterministic_algorithms(True)
        result["device_ms_deterministic"] = spread(device_milliseconds(batch.launch, rounds), 2)
        torch.use_deterministic_algorithms(False)
        result["peak_gb"] = round(torch.cuda.max_memory_allocated() / 1e9, 2)
        result["triton"] = measure_triton(batch, rounds)
    return result


def measure_triton(batch: Batch, rounds: int) -> dict[str, Any]:
    """Measure the fused kernels on a GPU, or say why they do not run."""
    try:
        difference = (batch.launch_triton().int() - batch.launch()).abs()
    except Exception as error:  # Triton's compiler, its driver and a missing compiler of C raise anything
        return {"left_out": f"{type(error).__name__}: {(str(error).splitlines() or [''])[0][:200]}"}
    return {
        "host_ms": spread(milliseconds(batch.launch_triton, rounds, batch.device), 2),
        "device_ms": spread(device_milliseconds(batch.launch_triton, rounds), 2),
        "largest_difference_from_kornia": int(difference.max()),
        "differing_bytes": float((difference > 0).float().mean()),
    }


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--device", choices=("cuda", "cpu"), default="cuda")
    parser.add_argument(
        "--clips", type=int, help=f"clips of a batch in training; default {TRAINING}, 8 on a CPU"
    )
    parser.add_argument("--counts", action="store_true", help="count operators, and measure nothing")
    arguments = parser.parse_args(argv)
    if arguments.counts:
        counts = {f"{height}x{width}": count(height, width) for height, width in PICTURES}
        print(write("render_operators", {"frames": FRAMES, "size": SIZE, "clips": counts}).read_text())
        return 0
    if arguments.device == "cuda" and not torch.cuda.is_available():
        print("no GPU that torch can use: nothing measured (--device cpu --rounds 2 shows that it runs)")
        return 0
    prepare_worker()
    torch.set_num_threads(1)
    clips = arguments.clips or (TRAINING if arguments.device == "cuda" else 8)
    counts = {f"{height}x{width}": count(height, width) for height, width in PICTURES}
    for picture, of_batches in counts.items():
        for batch, numbers in of_batches.items():
            print(
                f"{picture}, {batch} clips:",
                ", ".join(f"{n} {what}" for what, n in numbers.items()),
                flush=True,
            )
    results = []
    for height, width in PICTURES:
        results.append(measure(height, width, clips, arguments.device, arguments.rounds))
        print(results[-1], flush=True)
        if arguments.device == "cuda":  # each at once: what follows may run out of time
            gpu = {"gpu": torch.cuda.get_device_name(), "rounds": arguments.rounds}
            write("render_gpu", {**gpu, "counted": counts, "results": results})
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
