"""Change the frames of clips on the device, each clip by its own row (see `trainer.data.augment.draw`)."""

from __future__ import annotations

import torch
import torch.nn.functional as F  # noqa: N812 the usual name
from torch import Tensor

AT_ONCE = 16  # clips; bounds the memory of frames in float32
_GREY = (0.299, 0.587, 0.114)  # ITU-R BT.601, as in torchvision


def change_clips(frames_BTHWC: Tensor, rows_B8: Tensor) -> Tensor:
    """uint8 RGB [B,T,h,w,3] and float32 rows -> uint8 of the same shape.

    A crop is resized to the whole frame, bilinearly. Colours change after it: brightness, then contrast about
    the clip's mean grey, then saturation.
    """
    parts = zip(frames_BTHWC.split(AT_ONCE), rows_B8.split(AT_ONCE), strict=True)
    return torch.cat([_changed(frames, rows) for frames, rows in parts])


def _changed(frames_BTHWC: Tensor, rows_B8: Tensor) -> Tensor:
    x = frames_BTHWC.permute(0, 1, 4, 2, 3).float()
    x = _recoloured(_cropped(x, rows_B8), rows_B8[:, 5:])
    return x.clamp_(0, 255).round_().to(torch.uint8).permute(0, 1, 3, 4, 2).contiguous()


def _cropped(x_BTCHW: Tensor, rows_B8: Tensor) -> Tensor:
    """Crop and mirror [B,T,3,h,w] float32 by one sampling."""
    clips, frames = x_BTCHW.shape[:2]
    left, top, width, height, mirrored = rows_B8[:, :5].unbind(1)
    theta_B23 = rows_B8.new_zeros(clips, 2, 3)
    theta_B23[:, 0, 0] = width * (1 - 2 * mirrored)
    theta_B23[:, 0, 2] = 2 * left + width - 1  # the middle of the crop, where -1 and 1 are the edges
    theta_B23[:, 1, 1] = height
    theta_B23[:, 1, 2] = 2 * top + height - 1
    flat = x_BTCHW.flatten(0, 1)
    grid = F.affine_grid(theta_B23.repeat_interleave(frames, 0), list(flat.shape), align_corners=False)
    return F.grid_sample(flat, grid, padding_mode="border", align_corners=False).view_as(x_BTCHW)


def _recoloured(x_BTCHW: Tensor, factors_B3: Tensor) -> Tensor:
    brightness, contrast, saturation = (factor.view(-1, 1, 1, 1, 1) for factor in factors_B3.unbind(1))
    x = x_BTCHW * brightness
    mean = _grey(x).mean((1, 3, 4), keepdim=True)
    x = mean + contrast * (x - mean)
    grey = _grey(x)
    return grey + saturation * (x - grey)


def _grey(x_BTCHW: Tensor) -> Tensor:
    """[B,T,3,h,w] -> [B,T,1,h,w]. The weights are numbers: a tensor of them would make the host wait."""
    red, green, blue = x_BTCHW.split(1, dim=2)
    return _GREY[0] * red + _GREY[1] * green + _GREY[2] * blue
