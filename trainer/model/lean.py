"""The layers of open_clip's towers, computed with less memory traffic.

Parameters, their names and results stay.

By arithmetic, for ViT-B/32 and clips of 12 frames, open_clip's own layers move 2.6 GB per clip in
element-wise work. Of that 0.9 are QuickGELU's, and 0.4 are copies of packed projections.
"""

from __future__ import annotations

from typing import Any

import torch.nn.functional as F  # noqa: N812 the usual name
from open_clip.transformer import QuickGELU, ResidualAttentionBlock, VisionTransformer
from torch import Tensor, nn

SLOPE = 1.702  # of QuickGELU: x * sigmoid(SLOPE * x)


def quick_gelu_mlp(x: Tensor, c_fc: nn.Linear, c_proj: nn.Linear) -> Tensor:
    """Return c_proj(QuickGELU(c_fc(x))), x [...,D].

    QuickGELU(h) is silu(SLOPE * h) / SLOPE. The two factors go into the weights, which are small, and silu is
    one kernel that keeps its input alone for the backward pass. Written out, QuickGELU is three kernels that
    keep three tensors.
    """
    bias = None if c_fc.bias is None else SLOPE * c_fc.bias
    hidden = F.silu(F.linear(x, SLOPE * c_fc.weight, bias))
    return F.linear(hidden, c_proj.weight / SLOPE, c_proj.bias)


class QuickGeluMlp(nn.Module):
    """A block's MLP with QuickGELU, from open_clip's own layers."""

    c_fc: nn.Linear
    c_proj: nn.Linear

    def __init__(self, mlp: nn.Module) -> None:
        super().__init__()
        for name, module in mlp.named_children():  # c_fc, gelu, c_proj
            self.add_module(name, module)

    def forward(self, x: Tensor) -> Tensor:
        """x [...,D] -> [...,D]."""
        return quick_gelu_mlp(x, self.c_fc, self.c_proj)


class SelfAttention(nn.Module):
    """Multi-head self-attention from the parameters of an `nn.MultiheadAttention`.

    Queries, keys and values stay views of one projection, where torch's own module copies them. A causal mask
    is a flag, because a mask in a tensor keeps attention off the fastest kernels.
    """

    def __init__(self, attention: nn.MultiheadAttention, *, causal: bool) -> None:
        super().__init__()
        self.num_heads, self.causal = attention.num_heads, causal
        self.in_proj_weight, self.in_proj_bias = attention.in_proj_weight, attention.in_proj_bias
        self.out_proj = attention.out_proj

    def forward(
        self,
        query: Tensor,
        key: Tensor,
        value: Tensor,
        *,
        need_weights: bool = False,
        attn_mask: Tensor | None = None,
    ) -> tuple[Tensor, None]:
        """Attend within x [N,L,D], given three times, as torch's module is called.

        A causal module needs no mask.
        """
        samples, length, width = query.shape
        packed = F.linear(query, self.in_proj_weight, self.in_proj_bias)
        q, k, v = packed.view(samples, length, 3, self.num_heads, -1).permute(2, 0, 3, 1, 4).unbind()
        mask = None if self.causal else attn_mask
        mixed = F.scaled_dot_product_attention(q, k, v, attn_mask=mask, is_causal=self.causal)
        return self.out_proj(mixed.transpose(1, 2).reshape(samples, length, width)), None


class PatchEmbedding(nn.Module):
    """Patches to embeddings as one matrix product, from a convolution whose stride is its kernel."""

    def __init__(self, convolution: nn.Conv2d) -> None:
        super().__init__()
        self.weight, self.bias = convolution.weight, convolution.bias
        self.patch = (int(convolution.kernel_size[0]), int(convolution.kernel_size[1]))

    def forward(self, x_B3HW: Tensor) -> Tensor:
        """[B,3,H,W] -> [B,D,rows,columns]; what does not fill a patch at the right and bottom is left out."""
        height, width = self.patch
        rows, columns = x_B3HW.shape[2] // height, x_B3HW.shape[3] // width
        whole = x_B3HW[:, :, : rows * height, : columns * width]
        patches = whole.unflatten(3, (columns, width)).unflatten(2, (rows, height)).permute(0, 2, 4, 1, 3, 5)
        embedded = F.linear(patches.flatten(3).flatten(1, 2), self.weight.flatten(1), self.bias)
        return embedded.transpose(1, 2).unflatten(2, (rows, columns))


def lighten(clip: Any, text_tower: Any) -> None:
    """Replace the layers of both towers in place.

    Layers that open_clip built in another way stay as they are.
    """
    if isinstance(clip.visual, VisionTransformer):
        convolution = clip.visual.conv1
        if convolution.kernel_size == convolution.stride and not any(convolution.padding):
            clip.visual.conv1 = PatchEmbedding(convolution)
        _lighten_blocks(clip.visual.transformer, causal=False)
    _lighten_blocks(text_tower.transformer, causal=getattr(text_tower, "attn_mask", None) is not None)


def is_causal(text_tower: Any) -> bool:
    """Do the blocks of this text tower apply the causal mask by themselves?"""
    return all(getattr(block.attn, "causal", False) for block in text_tower.transformer.resblocks)


def _lighten_blocks(transformer: Any, *, causal: bool) -> None:
    for block in getattr(transformer, "resblocks", ()):
        if type(block) is not ResidualAttentionBlock:
            continue
        if type(block.attn) is nn.MultiheadAttention and block.attn.batch_first:
            block.attn = SelfAttention(block.attn, causal=causal)
        if isinstance(block.mlp.gelu, QuickGELU):
            block.mlp = QuickGeluMlp(block.mlp)
