"""The interaction module: a cross-modal transformer over a caption's tokens and a video's frame tokens."""

from __future__ import annotations

import torch
import torch.nn.functional as F  # noqa: N812 the usual name
from torch import Tensor, nn

from trainer.model.transformer import Transformer


class Interaction(nn.Module):
    """[CLS; text tokens; frame tokens] -> one match logit.

    It is trained on pairs and on hard negatives drawn by the dual encoder. So the logit estimates log p(pair)
    / q(pair), with q the dual encoder's softmax. Added to the dual encoder's logits, it gives the ranking
    that it was trained for.
    """

    def __init__(self, token_width: int, *, width: int, depth: int, heads: int, positions: int) -> None:
        super().__init__()
        self.text_in = nn.Linear(token_width, width)
        self.frames_in = nn.Linear(token_width, width)
        self.cls = nn.Parameter(torch.empty(width).normal_(std=0.02))
        self.types = nn.Embedding(2, width)  # 0 text, 1 frame
        # Of frames. Text tokens carry their positions from the text tower.
        self.positions = nn.Embedding(positions, width)
        self.transformer = Transformer(width, depth, heads, eps=1e-5)
        self.norm = nn.LayerNorm(width)
        self.head = nn.Linear(width, 1)
        nn.init.normal_(self.types.weight, std=0.02)
        nn.init.normal_(self.positions.weight, std=0.02)
        # Both modalities start in the dual encoder's shared space, up to one common rotation.
        with torch.no_grad():
            nn.init.orthogonal_(self.text_in.weight)
            self.frames_in.weight.copy_(self.text_in.weight)
        for layer in (self.text_in, self.frames_in, self.head):
            nn.init.zeros_(layer.bias)
        nn.init.normal_(self.head.weight, std=width**-0.5)

    def forward(
        self, text_PLD: Tensor, text_mask_PL: Tensor, frames_PTD: Tensor, frame_mask_PT: Tensor
    ) -> Tensor:
        """Tokens of P pairs -> match logits [P] float32.

        Text tokens are [P,L,D], frame tokens [P,T,D]; in the masks 1 is real and 0 is padding.
        """
        frames = frames_PTD.shape[1]
        if frames > self.positions.num_embeddings:
            raise ValueError(
                f"{frames} frames, but the interaction module has {self.positions.num_embeddings} positions"
            )
        text = self.text_in(_unit_rms(text_PLD)) + self.types.weight[0]
        video = self.frames_in(_unit_rms(frames_PTD)) + self.types.weight[1] + self.positions.weight[:frames]
        cls = self.cls.expand(len(text), 1, -1)
        x = torch.cat((cls.to(text.dtype), text, video.to(text.dtype)), dim=1)
        mask = torch.cat(
            (text_mask_PL.new_ones(len(text), 1), text_mask_PL, frame_mask_PT.to(text_mask_PL.dtype)), dim=1
        )
        logits: Tensor = self.head(self.norm(self.transformer(x, mask)[:, 0]))[:, 0]
        return logits.float()


def _unit_rms(x: Tensor) -> Tensor:
    """Tokens of root mean square 1: directions are what the dual encoder compares."""
    return F.normalize(x.float(), dim=-1) * x.shape[-1] ** 0.5
