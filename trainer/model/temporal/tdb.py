"""Temporal difference block (CLIP2Video, section 3.2): tokens of what changes, set between the frames."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn

from trainer.model.transformer import Transformer

FRAME_TYPE, DIFFERENCE_TYPE = 1, 0


class FrameSequence(NamedTuple):
    """f_0 d_0 f_1 d_1 ... f_{T-1}: frames at the even places, S = 2T-1."""

    tokens_NSD: Tensor
    positions_SD: Tensor  # both f_i and d_i stand at frame i
    types_SD: Tensor
    mask_NS: Tensor  # d_i counts as valid where frame i is

    @property
    def embedded_NSD(self) -> Tensor:
        """Tokens with position and type added: the input of a temporal transformer."""
        return self.tokens_NSD + self.positions_SD + self.types_SD


class TemporalDifference(nn.Module):
    """Makes the difference tokens d_i from f_{i+1} - f_i.

    proj: sigmoid_selfA (one attention block over the differences), sigmoid_mlp (a linear map), or '' (the
    bare difference). The first two end in 2 * sigmoid(norm(d)) - 1, so d is in (-1, 1). One module serves all
    frame rates of a model.
    """

    def __init__(self, width: int, heads: int, proj: str) -> None:
        super().__init__()
        self.types = nn.Embedding(2, width)
        self.attention = None
        if proj == "sigmoid_selfA":
            self.attention = Transformer(width, 1, heads)
        self.projection = None
        if proj == "sigmoid_mlp":
            self.projection = nn.Parameter(torch.empty(width, width))
        self.norm = None
        if proj:
            self.norm = nn.LayerNorm(width, eps=1e-5)
        nn.init.normal_(self.types.weight, std=0.01)
        if self.projection is not None:
            nn.init.normal_(self.projection, std=width**-0.5)

    def forward(self, frames_NTD: Tensor, mask_NT: Tensor, positions_TD: Tensor) -> FrameSequence:
        """Frames [N,T,D] float and their mask [N,T] (1 real, 0 padding) -> `FrameSequence`.

        `positions_TD` are the position embeddings of the T frames.

        As in the official code, the attention's mask is the later frame's, and the sequence's mask is the
        earlier one's. So the difference from the last real frame into the padding is part of the sequence.
        """
        differences = self._differences(frames_NTD, mask_NT, positions_TD)
        pairs = torch.stack((frames_NTD[:, :-1], differences.to(frames_NTD.dtype)), dim=2).flatten(1, 2)
        tokens = torch.cat((pairs, frames_NTD[:, -1:]), dim=1)
        place = torch.arange(tokens.shape[1], device=frames_NTD.device)
        kind = torch.where(place % 2 == 0, FRAME_TYPE, DIFFERENCE_TYPE)
        return FrameSequence(tokens, positions_TD[place // 2], self.types(kind), mask_NT[:, place // 2])

    def _differences(self, frames_NTD: Tensor, mask_NT: Tensor, positions_TD: Tensor) -> Tensor:
        differences = frames_NTD[:, 1:] - frames_NTD[:, :-1]
        if self.attention is not None:
            differences = self.attention(differences + positions_TD[1:], mask_NT[:, 1:])
        elif self.projection is not None:
            differences = differences @ self.projection
        if self.norm is None:
            return differences
        return 2 * torch.sigmoid(self.norm(differences)) - 1
