"""The one place that warps: a picture and a trajectory become frames. No randomness, no files, no state.

On a CPU OpenCV renders, on CUDA kornia, from the same layers and homographies; they agree to within one grey level.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from functools import cache
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from transforms.rendering.homography import checked_quads
from transforms.rendering.opencv import keep_freed_memory, prepare_worker, render_opencv, render_rgbx
from transforms.rendering.shrink import reduce_for

__all__ = [
    "choose_device",
    "count_devices",
    "keep_freed_memory",
    "prepare_worker",
    "reduce_for",
    "render",
    "render_batch",
    "tell_of_unseen_gpu",
]

Renderer = Literal["auto", "opencv", "kornia"]
MAX_SIDE = 8192  # of a frame
DRIVER = "/dev/nvidiactl"  # is there where NVIDIA's driver runs


def render(
    image_HWC: NDArray[np.uint8],
    quads_T42: NDArray[np.floating],
    *,
    size: tuple[int, int],
    device: str = "cpu",
) -> NDArray[np.uint8]:
    """Frames of what the camera sees: [T,h,w,3] uint8 RGB from one RGB picture.

    `quads_T42[t]` are the corners top-left, top-right, bottom-right, bottom-left of the view, (x, y) in fractions of the
    picture's width and height, outer edges 0 and 1. `size` is (h, w) in pixels. `device` is "cpu", "cuda", "cuda:N" or
    "auto". Raises ValueError for a picture, quads, size or device that cannot be used.
    """
    return render_batch([image_HWC], [quads_T42], size=size, device=device)[0]


def render_batch(
    images: Sequence[NDArray[np.uint8]],
    quads: Sequence[NDArray[np.floating]],
    *,
    size: tuple[int, int],
    device: str = "cpu",
    renderer: Renderer = "auto",
    rgbx: bool = False,
) -> list[NDArray[np.uint8]]:
    """`render` for many pictures of different sizes; on CUDA they go through kornia together.

    `renderer` "auto" takes OpenCV on a CPU and kornia elsewhere. `rgbx` lets OpenCV's frames be [T,h,w,4] with a byte of
    padding a pixel, as it makes them, for encoders that take them so; kornia's stay [T,h,w,3]. Frames come back in the order
    of the pictures, and a picture's frames do not depend on what else is in the batch. Raises ValueError as `render` does.
    """
    if len(images) != len(quads):
        raise ValueError(f"render: {len(images)} pictures but {len(quads)} trajectories; give one for each")
    _check_size(size)
    for image_HWC in images:
        _check_picture(image_HWC)
    checked = [checked_quads(quads_T42) for quads_T42 in quads]
    device = choose_device(device)
    if renderer not in ("auto", "opencv", "kornia"):
        raise ValueError(f"renderer {renderer!r}: must be auto, opencv or kornia")
    if renderer == "opencv" and device != "cpu":
        raise ValueError(
            f"renderer 'opencv' runs on the CPU alone, not on {device!r}; use device='cpu' or renderer='kornia'"
        )
    if renderer == "opencv" or (renderer == "auto" and device == "cpu"):
        opencv = render_rgbx if rgbx else render_opencv
        return [opencv(image, quads_T42, size) for image, quads_T42 in zip(images, checked, strict=True)]
    from transforms.rendering.kornia import render_kornia

    return render_kornia(images, checked, size, device)


def choose_device(name: str) -> str:
    """ "auto" -> "cuda" where there is one, else "cpu"; anything else is checked and returned. Call it once per worker."""
    if name == "cpu":
        return name
    kind, _, number = name.partition(":")
    if name != "auto" and (kind != "cuda" or not (number.isdecimal() or name == "cuda")):
        raise ValueError(f"device {name!r}: must be auto, cpu, cuda or cuda:N")
    count = count_devices()
    if name == "auto":
        if not count:
            tell_of_unseen_gpu()
        return "cuda" if count else "cpu"
    if int(number or 0) >= count:
        raise ValueError(f"device {name!r}: this machine has {count} CUDA devices; use cpu or auto")
    return name


def count_devices() -> int:
    """How many CUDA devices this process can use. Loads torch."""
    import torch

    return torch.cuda.device_count() if torch.cuda.is_available() else 0


@cache
def tell_of_unseen_gpu() -> None:
    """One line on stderr, once a process, where a driver runs but torch can use no GPU: device=auto is then a silent CPU."""
    import torch

    if not os.path.exists(DRIVER) or os.environ.get("CUDA_VISIBLE_DEVICES") in (
        "",
        "-1",
    ):  # hidden on purpose
        return
    built = (
        f"CUDA {torch.version.cuda}; the driver may be too old for it, see nvidia-smi"
        if torch.version.cuda
        else "no CUDA"
    )
    print(
        f"zoetrope: {DRIVER} is here, but torch can use no GPU (it is built for {built}): device=auto is the CPU",
        file=sys.stderr,
    )


def _check_size(size: tuple[int, int]) -> None:
    if len(size) != 2 or not all(isinstance(n, int | np.integer) and 1 <= n <= MAX_SIDE for n in size):
        raise ValueError(f"size {size!r}: must be (height, width), each from 1 to {MAX_SIDE} pixels")


def _check_picture(image_HWC: NDArray[np.uint8]) -> None:
    shape, dtype = getattr(image_HWC, "shape", None), getattr(image_HWC, "dtype", None)
    if shape is None or len(shape) != 3 or shape[2] != 3 or 0 in shape or dtype != np.uint8:
        raise ValueError(
            f"picture: must be uint8 of shape [H, W, 3], got {dtype} of shape {list(shape or [])}"
        )
