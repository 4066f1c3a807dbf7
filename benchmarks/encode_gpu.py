"""JPEG encoding of rendered frames on a GPU (nvJPEG) compared with one thread of the CPU: clips of 12 frames.

    python -m benchmarks.encode_gpu [--rounds 7] [--clips 32]
    python -m benchmarks.encode_gpu --device cpu --rounds 2       # shows that it runs without a GPU

The CPU's case is what `zoetrope animate` does (libjpeg-turbo, 4:2:0, quality 90). nvJPEG is asked through
TorchCodec, to which torchvision refers its users, and through torchvision, whose own call is deprecated.
Frames are on the GPU as rendering leaves them, and the bytes end on the host. A library that is absent or
fails is a line with its reason. A GPU wins the job only if it encodes more clips per second than all cores of
its machine. Result: benchmarks/results/encode_gpu.json
"""

from __future__ import annotations

import argparse
import os
import warnings
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from benchmarks.harness import interleave, spread, write
from benchmarks.pictures import SIZE, photograph, zoom_in
from transforms.media.encode import EncodeConfig, encode_frames
from transforms.rendering.render import prepare_worker, render_batch

Encode = Callable[[list[Tensor]], list[bytes]]  # frames [3,h,w] uint8 on the device
PHOTOGRAPHS = ("astronaut", "chelsea", "coffee", "rocket")
QUALITY = EncodeConfig().quality


def through_torchcodec() -> Encode:
    """Raises ImportError, or what TorchCodec raises where it cannot load its libraries."""
    from torchcodec.encoders import JpegEncoder

    return lambda frames: [as_bytes(JpegEncoder(frame).to_tensor(quality=QUALITY)) for frame in frames]


def through_torchvision() -> Encode:
    """Raises ImportError."""
    from torchvision.io import encode_jpeg

    warnings.filterwarnings("ignore", category=DeprecationWarning, module="torchvision")
    return lambda frames: [as_bytes(data) for data in encode_jpeg(frames, quality=QUALITY)]


def as_bytes(data: Tensor) -> bytes:
    """Copy encoded bytes to the host."""
    return data.cpu().numpy().tobytes()


LIBRARIES = {"torchcodec": through_torchcodec, "torchvision": through_torchvision}


def clips_of(count: int) -> list[np.ndarray]:
    """Render clips of photographs, frames_THWC uint8 each."""
    images = [np.ascontiguousarray(photograph(name, 384, 512)) for name in PHOTOGRAPHS]
    path, _ = zoom_in(384, 512)
    rendered = render_batch(images, [path] * len(images), size=SIZE)
    return [rendered[i % len(rendered)] for i in range(count)]


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--clips", type=int, default=32)
    parser.add_argument("--device", choices=("cuda", "cpu"), default="cuda")
    arguments = parser.parse_args(argv)
    if arguments.device == "cuda" and not torch.cuda.is_available():
        print("no GPU that torch can use: nothing measured (--device cpu --rounds 2 shows that it runs)")
        return 0
    prepare_worker()
    torch.set_num_threads(1)
    clips = clips_of(arguments.clips)
    frames = [
        frame.permute(2, 0, 1).contiguous()
        for clip in clips
        for frame in torch.from_numpy(clip).to(arguments.device)
    ]
    config = EncodeConfig()
    cases: dict[str, Callable[[], Any]] = {"cpu": lambda: [encode_frames(clip, config) for clip in clips]}
    results: dict[str, Any] = {}
    for name, make in LIBRARIES.items():
        try:
            encode = make()
            size = sum(map(len, encode(frames)))
        except Exception as error:  # a library of another torch raises anything
            results[name] = {"left_out": f"{type(error).__name__}: {str(error).splitlines()[0][:200]}"}
        else:
            cases[name] = lambda encode=encode: encode(frames)
            results[name] = {"bytes_per_clip": size // len(clips)}
    on_cpu = sum(len(data) for clip in clips for data in encode_frames(clip, config))
    results["cpu"] = {"bytes_per_clip": on_cpu // len(clips)}
    for name, seconds in interleave(cases, rounds=arguments.rounds).items():
        results[name]["clips_per_s"] = spread([len(clips) / s for s in seconds], 1)
    for name, result in results.items():
        print(f"{name}: {result}", flush=True)
    if arguments.device == "cuda":
        about = {"gpu": torch.cuda.get_device_name(), "cores": os.cpu_count(), "clips": len(clips)}
        write("encode_gpu", {**about, "quality": QUALITY, "results": results})
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
