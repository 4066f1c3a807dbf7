"""Pre-LN transformer blocks whose key masks belong to a sample, so that no sample sees another's padding.

Parameters are named as in CLIP's residual blocks, so CLIP's weights (and CLIP2Video's) copy by name.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F  # noqa: N812 the usual name
from torch import Tensor, nn

from trainer.model.lean import quick_gelu_mlp

MASKED = -1e6  # added to the logits of masked keys; a row of masked keys alone then still has a softmax


class FeedForward(nn.Module):
    """Linear to four times the width, QuickGELU (x * sigmoid(1.702 x), as OpenAI's CLIP has it), and back."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.c_fc = nn.Linear(width, 4 * width)
        self.c_proj = nn.Linear(4 * width, width)

    def forward(self, x: Tensor) -> Tensor:
        """x [...,D] -> [...,D]."""
        return quick_gelu_mlp(x, self.c_fc, self.c_proj)


class Attention(nn.Module):
    """Multi-head self-attention with a key mask for each sample."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        if width % heads:
            raise ValueError(
                f"heads = {heads} does not divide the width {width}; choose a divisor of {width}"
            )
        self.heads = heads
        self.in_proj_weight = nn.Parameter(torch.empty(3 * width, width).normal_(std=width**-0.5))
        self.in_proj_bias = nn.Parameter(torch.zeros(3 * width))
        self.out_proj = nn.Linear(width, width)

    def forward(self, x_NLD: Tensor, mask_NL: Tensor) -> Tensor:
        """x [N,L,D], mask [N,L] (1 real, 0 padding) -> [N,L,D].

        Logits and softmax are float32 whatever the autocast: MASKED plus a logit overflows in float16, and
        loses the logit in bfloat16.
        """
        samples, length, width = x_NLD.shape
        qkv = F.linear(x_NLD, self.in_proj_weight, self.in_proj_bias)
        q, k, v = qkv.view(samples, length, 3, self.heads, width // self.heads).permute(2, 0, 3, 1, 4)
        with torch.autocast(x_NLD.device.type, enabled=False):
            q, k, v = q.float() * (width // self.heads) ** -0.5, k.float(), v.float()
            logits = q @ k.transpose(-1, -2) + (1 - mask_NL.float())[:, None, None, :] * MASKED
            mixed = logits.softmax(-1) @ v
        mixed = mixed.transpose(1, 2).reshape(samples, length, width).to(qkv.dtype)
        out: Tensor = self.out_proj(mixed)
        return out


class Block(nn.Module):
    """x += attention(ln_1 x); x += mlp(ln_2 x)."""

    def __init__(self, width: int, heads: int, *, eps: float) -> None:
        super().__init__()
        self.attn = Attention(width, heads)
        self.ln_1 = nn.LayerNorm(width, eps=eps)
        self.mlp = FeedForward(width)
        self.ln_2 = nn.LayerNorm(width, eps=eps)

    def reset_parameters(self, layers: int) -> None:
        """CLIP's start for one of `layers` blocks: normal weights, zero biases, layer norms 1 and 0."""
        width = self.ln_1.weight.shape[0]
        out_std = width**-0.5 * (2 * layers) ** -0.5
        nn.init.normal_(self.attn.in_proj_weight, std=width**-0.5)
        nn.init.normal_(self.attn.out_proj.weight, std=out_std)
        nn.init.normal_(self.mlp.c_fc.weight, std=(2 * width) ** -0.5)
        nn.init.normal_(self.mlp.c_proj.weight, std=out_std)
        for bias in (
            self.attn.in_proj_bias,
            self.attn.out_proj.bias,
            self.mlp.c_fc.bias,
            self.mlp.c_proj.bias,
        ):
            nn.init.zeros_(bias)

    def forward(self, x_NLD: Tensor, mask_NL: Tensor) -> Tensor:
        """As `Attention.forward`."""
        x_NLD = x_NLD + self.attn(self.ln_1(x_NLD), mask_NL)
        out: Tensor = x_NLD + self.mlp(self.ln_2(x_NLD))
        return out


class Transformer(nn.Module):
    """A stack of blocks, initialised as CLIP initialises its own text transformer.

    eps is 1e-12 for CLIP2Video's temporal modules (BERT's habit) where CLIP's own layers have 1e-5.
    """

    def __init__(self, width: int, layers: int, heads: int, *, eps: float = 1e-12) -> None:
        super().__init__()
        blocks = [Block(width, heads, eps=eps) for _ in range(layers)]
        for block in blocks:
            block.reset_parameters(layers)
        self.resblocks = nn.ModuleList(blocks)

    def forward(self, x_NLD: Tensor, mask_NL: Tensor) -> Tensor:
        """x [N,L,D] float, mask [N,L] (1 real, 0 padding) -> [N,L,D]."""
        for block in self.resblocks:
            x_NLD = block(x_NLD, mask_NL)
        return x_NLD
