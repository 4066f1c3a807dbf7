"""Encode each frame once: real frames, and one frame of padding for all padding of a batch.

Clips of a batch are padded to one length. All frames of padding are equal, so the vision tower needs to see
one of them. A picture among clips of 12 frames then costs one frame, not 12.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor

WORTH_IT = 2  # frames of padding from which the vision tower does less


class Packing(NamedTuple):
    """Which frames of a batch [B,T] are encoded, and where each frame finds its embedding."""

    kept_R: Tensor  # int64, indices into B*T: the real frames, then one frame of padding
    place_BT: Tensor  # int64 [B,T], indices into R

    def to(self, device: torch.device) -> Packing:
        """Copy to the device, without a wait from pinned memory."""
        return Packing(self.kept_R.to(device, non_blocking=True), self.place_BT.to(device, non_blocking=True))

    def pin_memory(self) -> Packing:
        """Copy to page-locked memory."""
        return Packing(self.kept_R.pin_memory(), self.place_BT.pin_memory())


def pack(frame_mask_BT: Tensor) -> Packing | None:
    """Plan the packing of a mask on the CPU (1 = a frame). None if there is no padding to leave out."""
    is_real = frame_mask_BT.flatten() != 0
    padding = (~is_real).nonzero().flatten()
    if len(padding) < WORTH_IT:
        return None
    real = is_real.nonzero().flatten()
    place = torch.full_like(frame_mask_BT.flatten(), len(real))
    place[real] = torch.arange(len(real))
    return Packing(torch.cat([real, padding[:1]]), place.view(frame_mask_BT.shape))


def embed_packed(
    frames_BTHWC: Tensor,
    frame_mask_BT: Tensor,
    packing: Packing | None,
    embed: Callable[[Tensor, Tensor], Tensor],
) -> Tensor:
    """Embed the frames that are kept, and return the embeddings of all: [B,T,D].

    `embed` takes frames [N,T,h,w,3] with their mask [N,T] and returns [N,T,D].
    """
    if packing is None:
        return embed(frames_BTHWC, frame_mask_BT)
    kept_R1HWC = frames_BTHWC.flatten(0, 1).index_select(0, packing.kept_R).unsqueeze(1)
    kept_mask_R1 = frame_mask_BT.flatten().index_select(0, packing.kept_R).unsqueeze(1)
    embedded_RD = embed(kept_R1HWC, kept_mask_R1).squeeze(1)
    return embedded_RD.index_select(0, packing.place_BT.flatten()).unflatten(0, frame_mask_BT.shape)
