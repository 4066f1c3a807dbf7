"""Rendering with kornia: many pictures of different sizes in one call, on CUDA or on a CPU.

The layers of a picture stand above each other in one atlas, and a tall grid samples all its frames at once, so no picture is
repeated for its frames. Coordinates are clamped to their own layer, which is border replication.

Frames do not depend on what else is in the batch, though the atlas has the size of the largest: coordinates are whole
1/1024ths of a pixel and atlas sides are 2^k + 1, so that turning pixels into grid_sample's -1..1 and back loses no bit.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from kornia.geometry.transform import remap
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.functional import pad

from transforms.rendering.homography import checked_quads, homographies
from transforms.rendering.layers import KERNEL_SUM, ROUND_UP, Layer, plan_layers

COORDINATE_STEPS = 1024  # to a pixel; with sides up to 2^14 a coordinate fills the 24 bits of a float32
MAX_ATLAS_SIDE = 2**14 + 1
PIXELS_A_CALL = 2**24  # of frames and atlases together: about 1.3 GB of device memory


@dataclass(frozen=True)
class _Clip:
    """One picture, planned: the atlas' rows and where each frame lies in them."""

    image_HWC: Tensor
    layers: list[Layer]
    matrices_T33: NDArray[np.float64]  # output indices to indices of the frame's layer
    bounds_T3: NDArray[np.float64]  # the layer's last x and y, and its first row in the atlas

    @property
    def atlas_shape(self) -> tuple[int, int]:
        return sum(layer.shape[0] for layer in self.layers), max(layer.shape[1] for layer in self.layers)


def render_kornia(
    images: Sequence[NDArray[np.uint8]],
    quads: Sequence[NDArray[np.float64]],
    size: tuple[int, int],
    device: str,
) -> list[NDArray[np.uint8]]:
    """frames_THWC uint8 of each RGB picture."""
    tensors = [torch.from_numpy(np.ascontiguousarray(image_HWC)).to(device) for image_HWC in images]
    return [frames_THWC.cpu().numpy() for frames_THWC in render_tensor(tensors, quads, size)]


def render_tensor(
    images: Sequence[Tensor],
    quads: Sequence[NDArray[np.floating]] | Sequence[Tensor] | Tensor,
    size: tuple[int, int],
) -> list[Tensor]:
    """frames_THWC uint8 of each picture, on the device that the pictures are on. No gradients.

    `images` are uint8 RGB [H,W,3] of any sizes, `quads` a trajectory [T,4,2] in fractions for each (arrays, tensors, or
    one [N,T,4,2] tensor), `size` the (h, w) of a frame. Raises ValueError for quads that cannot be used.
    """
    trajectories = quads.cpu() if isinstance(quads, Tensor) else quads
    clips = [
        _plan(image, np.asarray(torch.as_tensor(q).cpu()), size)
        for image, q in zip(images, trajectories, strict=True)
    ]
    frames: list[Tensor] = []
    with torch.no_grad():
        for part in _parts(clips, size):
            frames.extend(_render(part, size))
    return frames


def _plan(image_HWC: Tensor, quads_T42: NDArray[np.floating], size: tuple[int, int]) -> _Clip:
    picture = (int(image_HWC.shape[0]), int(image_HWC.shape[1]))
    quads = checked_quads(quads_T42)
    to_picture_T33 = homographies(quads, picture, size)
    layers = list(plan_layers(quads, picture, size))
    matrices_T33, bounds_T3, row = np.empty((len(quads), 3, 3)), np.empty((len(quads), 3)), 0
    for layer in layers:
        matrices_T33[layer.frames] = layer.index_matrices(to_picture_T33)
        bounds_T3[layer.frames] = (layer.shape[1] - 1, layer.shape[0] - 1, row)
        row += layer.shape[0]
    clip = _Clip(image_HWC, layers, matrices_T33, bounds_T3)
    if max(clip.atlas_shape) > MAX_ATLAS_SIDE:
        raise ValueError(
            f"picture of {picture[1]}x{picture[0]}: too large to render at {size[1]}x{size[0]} in one piece; "
            "use a smaller picture or device='cpu'"
        )
    return clip


def _parts(clips: Sequence[_Clip], size: tuple[int, int]) -> Iterator[list[_Clip]]:
    """Consecutive clips that together stay below PIXELS_A_CALL (or one clip that does not)."""
    part: list[_Clip] = []
    for clip in clips:
        longer = [*part, clip]
        frames = max(len(c.matrices_T33) for c in longer)
        if (
            part
            and len(longer) * (frames * size[0] * size[1] + np.prod(_atlas_sides(longer))) > PIXELS_A_CALL
        ):
            yield part
            longer = [clip]
        part = longer
    if part:
        yield part


def _atlas_sides(clips: Sequence[_Clip]) -> tuple[int, int]:
    """Height and width that hold every clip's atlas, each 2^k + 1."""
    height, width = (max(clip.atlas_shape[axis] for clip in clips) for axis in range(2))
    return 2 ** max(height - 2, 1).bit_length() + 1, 2 ** max(width - 2, 1).bit_length() + 1


def _render(clips: Sequence[_Clip], size: tuple[int, int]) -> list[Tensor]:
    """One call of kornia for all the clips."""
    device = clips[0].image_HWC.device
    atlas_N3HW = torch.zeros((len(clips), 3, *_atlas_sides(clips)), device=device)
    for atlas_3HW, clip in zip(atlas_N3HW, clips, strict=True):
        _fill(atlas_3HW, clip)
    frames = max(len(clip.matrices_T33) for clip in clips)
    sampled_N3HW = remap(
        atlas_N3HW,
        *_maps(clips, frames, size, device),
        mode="bilinear",
        padding_mode="border",
        align_corners=True,
        normalized_coordinates=False,
    )
    bytes_N3HW = sampled_N3HW.round_().clamp_(0, 255).to(torch.uint8)  # round half to even, as OpenCV does
    clips_NTHWC = bytes_N3HW.unflatten(2, (frames, size[0])).permute(0, 2, 3, 4, 1).contiguous()
    return [
        frames_THWC[: len(clip.matrices_T33)] for frames_THWC, clip in zip(clips_NTHWC, clips, strict=True)
    ]


def _maps(
    clips: Sequence[_Clip], frames: int, size: tuple[int, int], device: torch.device
) -> tuple[Tensor, Tensor]:
    """x and y in the atlas for every output pixel of `frames` frames, a clip's last repeated: [N, frames*h, w] float32 each.

    What the host has to tell is one small array for all the clips, copied without waiting.
    """
    told_NT43 = np.empty((len(clips), frames, 4, 3))
    for told_T43, clip in zip(told_NT43, clips, strict=True):
        t = np.minimum(np.arange(frames), len(clip.matrices_T33) - 1)
        told_T43[:, :3], told_T43[:, 3] = clip.matrices_T33[t], clip.bounds_T3[t]
    host = torch.from_numpy(told_NT43)
    told = (host.pin_memory() if device.type == "cuda" else host).to(device, non_blocking=True)[
        ..., None, None
    ]
    y_H1 = torch.arange(size[0], dtype=torch.float64, device=device)[:, None]
    x_W = torch.arange(size[1], dtype=torch.float64, device=device)
    across, down, depth = (
        told[:, :, row, 0] * x_W + told[:, :, row, 1] * y_H1 + told[:, :, row, 2] for row in range(3)
    )
    x, y = (((part / depth) * COORDINATE_STEPS).round_() / COORDINATE_STEPS for part in (across, down))
    x = torch.minimum(x.clamp_(min=0), told[:, :, 3, 0])
    y = torch.minimum(y.clamp_(min=0), told[:, :, 3, 1]) + told[:, :, 3, 2]
    return x.float().flatten(1, 2), y.float().flatten(1, 2)


def _fill(atlas_3HW: Tensor, clip: _Clip) -> None:
    """Put the clip's layers above each other into the atlas."""
    image_3HW, row = clip.image_HWC.permute(2, 0, 1), 0
    for layer in clip.layers:
        height, width = layer.shape
        atlas_3HW[:, row : row + height, :width] = make_layer(image_3HW, layer)
        row += height


def make_layer(image_3HW: Tensor, layer: Layer) -> Tensor:
    """Cut, halve and blur a picture as the layer says: whole grey levels in float32, bit for bit what OpenCV makes.

    The weighted sums are integers below 2^24, so any order of summing gives the same.
    """
    y0, y1, x0, x1 = (edge << layer.halvings for edge in layer.box)
    made_3HW = image_3HW[:, y0:y1, x0:x1].float()
    for _ in range(layer.halvings):
        made_3HW = halve(made_3HW)
    radius_y, radius_x = len(layer.kernel_y) // 2, len(layer.kernel_x) // 2
    if radius_y == radius_x == 0:
        return made_3HW
    padded = pad(made_3HW[None], (radius_x, radius_x, radius_y, radius_y), mode="replicate")[0]
    rows = _weighted(padded, layer.kernel_x, axis=2)
    return (_weighted(rows, layer.kernel_y, axis=1) / KERNEL_SUM**2 + ROUND_UP).round_()


def halve(image_3HW: Tensor) -> Tensor:
    """Half the size, rounded up, by 2x2 means of whole grey levels; an odd last row or column is repeated first."""
    h, w = image_3HW.shape[1:]
    even = pad(image_3HW[None], (0, w % 2, 0, h % 2), mode="replicate")[0]
    sums = even[:, ::2, ::2] + even[:, 1::2, ::2] + even[:, ::2, 1::2] + even[:, 1::2, 1::2]
    return ((sums + 2) / 4).floor_()


def _weighted(values: Tensor, weights: tuple[int, ...], axis: int) -> Tensor:
    length = values.shape[axis] - len(weights) + 1
    total = weights[0] * values.narrow(axis, 0, length)
    for offset, weight in enumerate(weights[1:], start=1):
        total += weight * values.narrow(axis, offset, length)
    return total
