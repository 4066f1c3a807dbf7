"""Rendering on a GPU beside one thread of the CPU: clips of 12 frames of 224x224 along paths of the default motions.

    python -m benchmarks.render_gpu [--rounds 9]
    python -m benchmarks.render_gpu --device cpu --rounds 2       # shows that it runs, without a GPU

`job` is what a worker of `zoetrope animate` does with a batch: pictures to the GPU, frames back. `training` is what the
trainer does with a batch of stills: the pictures are there, and the frames stay. Also the largest difference from the CPU's
frames, in grey levels. Without a GPU nothing is measured, and that is said. Result: benchmarks/results/render_gpu.json
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from typing import Any

import numpy as np
import torch

from benchmarks.harness import interleave, ratio, spread, write
from benchmarks.pictures import FRAMES, SIZE, photograph
from transforms.motions.mix import MotionMix, draw
from transforms.rendering.kornia import render_tensor
from transforms.rendering.render import prepare_worker, render_batch

PHOTOGRAPHS = ("astronaut", "chelsea", "coffee", "rocket", "hubble_deep_field", "retina")
PICTURES = [(384, 512), (800, 1067), (1600, 2133)]
JOB, TRAINING = 32, 128  # clips in a batch


def cases(images: list[np.ndarray], paths: list[np.ndarray], device: str) -> dict[str, Callable[[], object]]:
    """Each renders all of its batch and waits until it is done."""
    there = [torch.from_numpy(image).to(device) for image in images]

    def training() -> object:
        frames = render_tensor(there, paths, SIZE)
        if device == "cuda":
            torch.cuda.synchronize()
        return frames

    return {
        "cpu": lambda: render_batch(images[:JOB], paths[:JOB], size=SIZE, device="cpu"),
        "job": lambda: render_batch(images[:JOB], paths[:JOB], size=SIZE, device=device, renderer="kornia"),
        "training": training,
    }


def difference(images: list[np.ndarray], paths: list[np.ndarray], device: str) -> int:
    """The largest from the CPU's frames, in grey levels."""
    ours = render_batch(images, paths, size=SIZE, device=device, renderer="kornia")
    cpu = render_batch(images, paths, size=SIZE, device="cpu")
    return max(int(np.abs(a.astype(int) - b).max()) for a, b in zip(ours, cpu, strict=True))


def measure(height: int, width: int, device: str, rounds: int) -> dict[str, Any]:
    """Clips a second of each case for pictures of one size."""
    photographs = [np.ascontiguousarray(photograph(name, height, width)) for name in PHOTOGRAPHS]
    mix = MotionMix.default()
    images = [photographs[i % len(photographs)] for i in range(TRAINING)]
    paths = [
        draw(mix, seed=i, image_size=(height, width), frames=FRAMES, size=SIZE).quads_T42
        for i in range(TRAINING)
    ]
    seconds = interleave(cases(images, paths, device), rounds=rounds)
    clips = {"cpu": JOB, "job": JOB, "training": TRAINING}
    a_clip = {name: [s / clips[name] for s in times] for name, times in seconds.items()}
    return {
        "picture": [height, width],
        "clips_per_s": {name: spread([1 / s for s in times], 0) for name, times in a_clip.items()},
        "over_a_cpu_thread": {name: ratio(a_clip, name, "cpu") for name in ("job", "training")},
        "largest_difference": difference(images[:JOB], paths[:JOB], device),
    }


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--device", choices=("cuda", "cpu"), default="cuda")
    arguments = parser.parse_args(argv)
    if arguments.device == "cuda" and not torch.cuda.is_available():
        print("no GPU that torch can use: nothing measured (--device cpu --rounds 2 shows that it runs)")
        return 0
    prepare_worker()
    torch.set_num_threads(1)
    results = []
    for height, width in PICTURES:
        results.append(measure(height, width, arguments.device, arguments.rounds))
        print(results[-1], flush=True)
    if arguments.device == "cuda":
        gpu = torch.cuda.get_device_name()
        write(
            "render_gpu",
            {"gpu": gpu, "rounds": arguments.rounds, "batch": [JOB, TRAINING], "results": results},
        )
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
