"""Choose what renders on a GPU: kornia's operators, or two fused kernels in Triton.

kornia is the reference. It needs no compiler, and each of its operators moves the whole batch through the
GPU's memory. `benchmarks.render_gpu` measures both.
"""

from __future__ import annotations

import logging
from functools import cache
from typing import Literal

import numpy as np
import torch
from torch import Tensor

from transforms.rendering.kornia import PartRenderer, render_packed, render_part, to_device
from transforms.rendering.parts import Plan
from transforms.rendering.plan import plan_batch

ON_GPU: Literal["kornia", "triton"] = "kornia"  # until Triton's kernels are measured, and faster
FULL_T42 = np.array([[[0, 0], [1, 0], [1, 1], [0, 1]]], np.float32)
logger = logging.getLogger(__name__)


def render_planned(pixels: Tensor, plan: Plan, words: Tensor) -> Tensor:
    """Return the frames of all clips, as `kornia.render_packed` with the renderer of their device."""
    return render_packed(pixels, plan, words, part_renderer(pixels.device))


def part_renderer(device: torch.device) -> PartRenderer:
    """Return what renders a part of a batch on this device."""
    fused = None
    if device.type == "cuda" and ON_GPU == "triton":
        fused = _fused(device)
    return fused or render_part


@cache
def _fused(device: torch.device) -> PartRenderer | None:
    """Return Triton's renderer if it can render one small frame here. Else warn, and return None."""
    try:
        from transforms.rendering.fused import render_part as fused

        plan, words = plan_batch([FULL_T42], [(4, 4)], (4, 4))
        picture = torch.zeros(4 * 4 * 3, dtype=torch.uint8, device=device)
        render_packed(picture, plan, to_device(words, device), fused)
        torch.cuda.synchronize(device)
    except Exception as error:  # an absent Triton or C compiler, its compiler, and the driver raise anything
        reason = f"{type(error).__name__}: {error}".partition("\n")[0][:200]
        logger.warning("zoetrope: Triton cannot render on %s (%s): kornia renders", device, reason)
        return None
    return fused
