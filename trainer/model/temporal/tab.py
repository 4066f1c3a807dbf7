"""Temporal alignment block (CLIP2Video, section 3.3): text and frame tokens pooled over shared centres."""

from __future__ import annotations

import torch
import torch.nn.functional as F  # noqa: N812 the usual name
from torch import Tensor, nn

from trainer.model.transformer import Transformer

CENTER_STD = 1 / 8


class TokenAlignment(nn.Module):
    """K centres shared by both modalities; a NetVLAD-like pooling of raw tokens to one unit vector."""

    def __init__(self, width: int, heads: int, centers: int, *, half_rate: bool) -> None:
        super().__init__()
        self.weight_center = nn.Parameter(torch.empty(centers, width).normal_(std=CENTER_STD))
        self.emb_center = nn.Parameter(torch.empty(centers, width).normal_(std=CENTER_STD))
        self.actions = Transformer(width, 1, heads) if half_rate else None  # over every second frame

    def forward(self, tokens_NLD: Tensor, mask_NL: Tensor) -> Tensor:
        """tokens [N,L,D], not normalised, mask [N,L] (1 counts, 0 does not) -> unit vectors [N,D] float32.

        V_k = sum_l mask_l softmax_k(tokens @ weight_center)_lk (x_l - emb_center_k); each V_k to unit length,
        their mean to unit length.
        """
        share_NLK = (tokens_NLD @ self.weight_center.T.to(tokens_NLD.dtype)).float().softmax(-1)
        share_NLK = share_NLK * mask_NL[..., None]
        with torch.autocast(tokens_NLD.device.type, enabled=False):
            pulled_NKD = share_NLK.transpose(1, 2) @ tokens_NLD.float()
            residual_NKD = pulled_NKD - share_NLK.sum(1)[..., None] * self.emb_center.float()
            return F.normalize(F.normalize(residual_NKD, dim=-1).mean(1), dim=-1)
