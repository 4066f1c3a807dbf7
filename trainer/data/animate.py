"""A batch on the device: stills animated there, clips of all stores put together in one tensor."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from trainer.data.batch import Batch
from transforms.rendering.render import render_batch


@dataclass(frozen=True)
class Inputs:
    """What the encoders take, on the device. B clips of T frames, C captions of L tokens (C = B in training)."""

    keys: list[str]
    frames_BTHWC: Tensor  # uint8 RGB
    frame_mask_BT: Tensor  # int64, 1 = a frame
    token_ids_CL: Tensor  # int64
    token_mask_CL: Tensor  # int64, 1 = a token
    video_ids_B: Tensor  # int64, equal for the same picture or video
    caption_video_C: Tensor  # int64, the clip that a caption describes


def to_device(batch: Batch, device: torch.device, size: tuple[int, int]) -> Inputs:
    """Copy a batch to the device and render its stills there; frames come out [B,T,h,w,3] uint8."""
    moved = batch.to(device)
    if len(moved.still_rows) == 0:
        frames = moved.frames
    else:
        rendered = _render(moved.pictures(), batch.quads, size)
        frames = rendered
        if len(moved.frame_rows):
            frames = rendered.new_empty(len(batch), *rendered.shape[1:])
            frames[moved.still_rows] = rendered
            frames[moved.frame_rows] = moved.frames
    return Inputs(
        batch.keys,
        frames,
        moved.frame_mask,
        moved.token_ids,
        moved.token_mask,
        moved.video_ids,
        moved.caption_video,
    )


def _render(pictures: list[Tensor], quads_ST42: Tensor, size: tuple[int, int]) -> Tensor:
    """Frames [S,T,h,w,3] uint8 on the pictures' device; the paths stay on the CPU, where the warps are planned."""
    if pictures[0].device.type == "cpu":
        clips = render_batch([p.numpy() for p in pictures], list(quads_ST42.numpy()), size=size, device="cpu")
        return torch.stack([torch.from_numpy(clip) for clip in clips])
    from transforms.rendering.kornia import render_tensor

    return torch.stack(render_tensor(pictures, quads_ST42, size))


def normalise(frames_BTHWC: Tensor, frame_mask_BT: Tensor, mean: Tensor, std: Tensor) -> Tensor:
    """uint8 [B,T,H,W,3] -> float32 [B,T,3,H,W], (x / 255 - mean) / std by channel; padding is 0 after normalising."""
    x = (frames_BTHWC.permute(0, 1, 4, 2, 3).float() / 255 - mean.view(3, 1, 1)) / std.view(3, 1, 1)
    return x * frame_mask_BT[:, :, None, None, None]
