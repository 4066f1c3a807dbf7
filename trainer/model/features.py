"""The features of texts and videos: what the encoders give, and losses, ranking and search take."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

import torch
from torch import Tensor


@dataclass(frozen=True, eq=False)  # tensors have no single ==
class Features:
    """The features of N texts or M videos.

    Indexing takes a subset: ``features[3:5]``, ``features[index_tensor]``.
    """

    global_: Tensor  # [N,D] float32 unit vectors
    tab: Tensor | None  # [N,D] float32 unit vectors, None without TAB
    # [N,L,D] for the interaction module: text tokens, or frames after the temporal transformer
    tokens: Tensor
    mask: Tensor  # [N,L], 1 real, 0 padding

    def __len__(self) -> int:
        return len(self.global_)

    def __getitem__(self, index: slice | Tensor) -> Self:
        tab = None
        if self.tab is not None:
            tab = self.tab[index]
        return type(self)(self.global_[index], tab, self.tokens[index], self.mask[index])

    def to(self, device: torch.device | str) -> Self:
        """The same on another device."""
        tab = None
        if self.tab is not None:
            tab = self.tab.to(device)
        return type(self)(self.global_.to(device), tab, self.tokens.to(device), self.mask.to(device))


class TextFeatures(Features):
    """Of N captions."""


class VideoFeatures(Features):
    """Of M videos."""
