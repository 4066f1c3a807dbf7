"""Put a batch on the device: stills are animated there, and clips of all stores end in one tensor."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from trainer.data.augment.clips import change_clips
from trainer.data.batch import Batch
from trainer.data.packing import Packing
from transforms.rendering.plan import plan_batch
from transforms.rendering.render import render_batch


@dataclass(frozen=True)
class Inputs:
    """The encoders' input, on the device: B clips of T frames, C captions of L tokens (C = B in training)."""

    keys: list[str]
    frames_BTHWC: Tensor  # uint8 RGB
    frame_mask_BT: Tensor  # int64, 1 = a frame
    token_ids_CL: Tensor  # int64
    token_mask_CL: Tensor  # int64, 1 = a token
    identities_B3: Tensor  # int64, see `trainer.data.identity`
    caption_video_C: Tensor  # int64, the clip that a caption describes
    packing: Packing | None = None  # which frames are encoded, if not all
    patches_RK: Tensor | None = None  # int64, the patches of each encoded frame, if not all


def to_device(batch: Batch, device: torch.device, size: tuple[int, int]) -> Inputs:
    """Copy a batch to the device and render its stills there. Frames come out [B,T,h,w,3] uint8."""
    moved = batch.to(device)
    frames = moved.frames
    if len(moved.still_rows):
        frames = _render(batch, moved, size)
    if len(moved.still_rows) and len(moved.frame_rows):
        # One gather puts both kinds in their places: writing by index is slow where bits must repeat.
        rows = torch.cat([moved.still_rows, moved.frame_rows])
        frames = torch.cat([frames, moved.frames]).index_select(0, rows.argsort())
    if len(moved.changes):
        frames = change_clips(frames, moved.changes)
    return Inputs(
        keys=batch.keys,
        frames_BTHWC=frames,
        frame_mask_BT=moved.frame_mask,
        token_ids_CL=moved.token_ids,
        token_mask_CL=moved.token_mask,
        identities_B3=moved.identities,
        caption_video_C=moved.caption_video,
        packing=moved.packing,
        patches_RK=moved.patches if moved.patches.numel() else None,
    )


def _render(batch: Batch, moved: Batch, size: tuple[int, int]) -> Tensor:
    """Return the stills' frames [S,T,h,w,3] uint8 on the device of `moved`.

    `batch` is the same batch on the host.
    """
    if moved.pixels.device.type == "cpu":
        images = [picture.numpy() for picture in batch.pictures()]
        clips = render_batch(images, list(batch.quads.numpy()), size=size, device="cpu")
        return torch.from_numpy(np.stack(clips))
    return render_on_device(batch, moved, size)


def render_on_device(batch: Batch, moved: Batch, size: tuple[int, int]) -> Tensor:
    """Return the stills' frames as kornia renders them.

    The worker's plan is used if the batch has one for this size.
    """
    from transforms.rendering.kornia import to_device
    from transforms.rendering.on_gpu import render_planned

    plan, words = batch.plan, moved.plan_words
    if plan is None or plan.size != size:
        plan, numbers = plan_batch(batch.quads.numpy(), batch.picture_sizes, size)
        words = to_device(numbers, moved.pixels.device)
    frames_FHWC = render_planned(moved.pixels, plan, words)
    return frames_FHWC.view(len(plan.counts), -1, *frames_FHWC.shape[1:])


def normalise(frames_BTHWC: Tensor, frame_mask_BT: Tensor, mean: Tensor, std: Tensor) -> Tensor:
    """Turn uint8 [B,T,H,W,3] into float32 [B,T,3,H,W], (x / 255 - mean) / std by channel.

    Padding becomes 0.
    """
    x = frames_BTHWC.permute(0, 1, 4, 2, 3).float().mul_(1 / (255 * std.view(3, 1, 1)))
    return x.sub_((mean / std).view(3, 1, 1)).mul_(frame_mask_BT[:, :, None, None, None])
