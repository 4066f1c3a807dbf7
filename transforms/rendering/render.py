"""The one place that warps: a picture and a trajectory become frames. No randomness, no files, no state.

OpenCV renders on a CPU and kornia on CUDA, from the same layers and homographies. They agree within one grey
level.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Sequence
from functools import cache
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

from transforms.rendering.homography import checked_quads
from transforms.rendering.opencv import keep_freed_memory, prepare_worker, render_opencv, render_rgbx
from transforms.rendering.shrink import reduce_for

if TYPE_CHECKING:
    from transforms.rendering.kornia import PartRenderer, Started

__all__ = [
    "choose_device",
    "count_devices",
    "keep_freed_memory",
    "prepare_worker",
    "reduce_for",
    "render",
    "render_batch",
    "start_batch",
    "warn_of_unusable_gpu",
]

Renderer = Literal["auto", "opencv", "kornia", "triton"]
MAX_SIDE = 8192  # pixels of a frame
DRIVER = "/dev/nvidiactl"  # exists where NVIDIA's driver runs
HIDDEN = ("", "-1")  # values of CUDA_VISIBLE_DEVICES that hide every GPU
logger = logging.getLogger(__name__)


def render(
    image_HWC: NDArray[np.uint8],
    quads_T42: NDArray[np.floating],
    *,
    size: tuple[int, int],
    device: str = "cpu",
) -> NDArray[np.uint8]:
    """Return the frames that the camera sees: [T,h,w,3] uint8 RGB from one RGB picture.

    `quads_T42[t]` holds the corners top-left, top-right, bottom-right, bottom-left of the view. They are (x,
    y) in fractions of the picture's width and height, whose outer edges are 0 and 1. `size` is (h, w) in
    pixels. `device` is "cpu", "cuda", "cuda:N" or "auto". Raises ValueError for a picture, quads, size or
    device that cannot be used.
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
    """Do as `render` for many pictures of any sizes.

    On CUDA kornia renders them together, in a fixed number of kernels.

    `renderer` "auto" is OpenCV on a CPU and kornia elsewhere. "triton" does kornia's work in two kernels of
    its own, on CUDA alone, and has not been measured yet. With `rgbx`, OpenCV's frames stay [T,h,w,4], with
    one byte of padding per pixel. That saves a copy before some encoders. kornia's are [T,h,w,3] all the
    same. Frames come back in the order of the pictures and do not depend on the rest of the batch. Raises
    ValueError as `render` does.
    """
    if len(images) != len(quads):
        raise ValueError(f"render: {len(images)} pictures but {len(quads)} trajectories; give one for each")
    check_size(size)
    for image_HWC in images:
        _check_picture(image_HWC)
    device = choose_device(device)
    if renderer not in ("auto", "opencv", "kornia", "triton"):
        raise ValueError(f"renderer {renderer!r}: must be auto, opencv, kornia or triton")
    if renderer == "opencv" and device != "cpu":
        raise ValueError(
            f"renderer 'opencv' runs on the CPU alone, not on {device!r}; "
            "use device='cpu' or renderer='kornia'"
        )
    if renderer == "opencv" or (renderer == "auto" and device == "cpu"):
        opencv = render_rgbx if rgbx else render_opencv
        checked = [checked_quads(quads_T42) for quads_T42 in quads]
        return [opencv(image, quads_T42, size) for image, quads_T42 in zip(images, checked, strict=True)]
    import torch

    from transforms.rendering.kornia import render_kornia
    from transforms.rendering.on_gpu import part_renderer

    render = None  # kornia's
    if renderer == "triton":
        render = _triton(device)
    elif renderer == "auto":
        render = part_renderer(torch.device(device))
    return render_kornia(images, quads, size, device, render)


def _triton(device: str) -> PartRenderer:
    """Return Triton's renderer of a part. Raises ValueError where it cannot run."""
    try:
        from transforms.rendering.fused import interpreted, render_part
    except ImportError:
        raise ValueError("renderer 'triton': Triton is not installed; use renderer='kornia'") from None
    if device == "cpu" and not interpreted():
        raise ValueError("renderer 'triton' needs a GPU; use device='cuda' or renderer='kornia'")
    return render_part


def start_batch(
    images: Sequence[NDArray[np.uint8]],
    quads: Sequence[NDArray[np.floating]],
    *,
    size: tuple[int, int],
    device: str,
    stream: Any = None,
    outputs: Sequence[NDArray[np.uint8] | None] | None = None,
) -> Started:
    """Begin what `render_batch` does with kornia; the result's `frames()` waits for it.

    `stream` is a `torch.cuda.Stream` of the device. Batches on two streams overlap. `outputs` are arrays
    [T,h,w,3] that the frames are written to, or None for a new one. Until `frames()` returns, they and the
    pictures must stay as they are. Raises ValueError as `render_batch` does.
    """
    check_size(size)
    for image_HWC in images:
        _check_picture(image_HWC)
    import torch

    from transforms.rendering.kornia import start_kornia
    from transforms.rendering.on_gpu import part_renderer

    chosen = choose_device(device)
    render = part_renderer(torch.device(chosen))
    return start_kornia(images, quads, size, chosen, stream, outputs, render)


def choose_device(name: str) -> str:
    """Turn "auto" into "cuda" or "cpu"; check and return any other name. Call it once per worker."""
    if name == "cpu":
        return name
    kind, _, number = name.partition(":")
    if name != "auto" and (kind != "cuda" or not (number.isdecimal() or name == "cuda")):
        raise ValueError(f"device {name!r}: must be auto, cpu, cuda or cuda:N")
    count = count_devices()
    if name == "auto":
        if not count:
            warn_of_unusable_gpu()
        if count:
            return "cuda"
        return "cpu"
    if int(number or 0) >= count:
        raise ValueError(f"device {name!r}: this machine has {count} CUDA devices; use cpu or auto")
    return name


def count_devices() -> int:
    """Return how many CUDA devices this process can use. Loads torch."""
    import torch

    if not torch.cuda.is_available():
        return 0
    return torch.cuda.device_count()


@cache
def warn_of_unusable_gpu() -> None:
    """Warn once per process if a driver runs but torch can use no GPU. `device=auto` would hide that."""
    import torch

    if not os.path.exists(DRIVER) or os.environ.get("CUDA_VISIBLE_DEVICES") in HIDDEN:
        return
    built = "no CUDA"
    if torch.version.cuda:
        built = f"CUDA {torch.version.cuda}; the driver may be too old for it, see nvidia-smi"
    logger.warning(
        "zoetrope: %s is here, but torch can use no GPU (it is built for %s): device=auto is the CPU",
        DRIVER,
        built,
    )


def check_size(size: object) -> None:
    """Raise ValueError unless this is (height, width), each from 1 to MAX_SIDE pixels."""
    sides = size if isinstance(size, tuple | list) else ()
    if len(sides) != 2 or not all(isinstance(n, int | np.integer) and 1 <= n <= MAX_SIDE for n in sides):
        raise ValueError(f"size {size!r}: must be (height, width), each from 1 to {MAX_SIDE} pixels")


def _check_picture(image_HWC: NDArray[np.uint8]) -> None:
    shape, dtype = getattr(image_HWC, "shape", None), getattr(image_HWC, "dtype", None)
    if dtype is None or shape is None:
        raise ValueError(
            f"picture: must be an array, uint8 of shape [H, W, 3], got {type(image_HWC).__name__}; of a PIL "
            "image take numpy.asarray(image.convert('RGB'))"
        )
    if len(shape) != 3 or shape[2] != 3 or 0 in shape or dtype != np.uint8:
        raise ValueError(f"picture: must be uint8 of shape [H, W, 3], got {dtype} of shape {list(shape)}")
