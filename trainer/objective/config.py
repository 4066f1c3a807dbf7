"""The `loss` section of a training config."""

from __future__ import annotations

from typing import Literal, Self

from pydantic import Field, model_validator

from schemas.config import Config

LOGIT_BIAS = -10.0  # of SigLIP at its start
CANDIDATES = 16


class LossConfig(Config):
    """How the losses are put together."""

    contrastive: Literal["softmax", "sigmoid"] = Field(
        "softmax",
        description="loss of the dual encoder: softmax over the batch, both ways (CLIP), or a sigmoid per "
        "pair (SigLIP), with a learned bias that starts at model.logit_bias",
    )

    match_weight: float = Field(
        1.0, gt=0, description="weight of the matching loss, with an interaction module"
    )
    distill_weight: float = Field(
        0.0,
        ge=0,
        description="weight of the loss that teaches the dual encoder the interaction module's scores",
    )
    distill_candidates: int = Field(
        CANDIDATES,
        ge=2,
        description="clips per text, and texts per clip, whose scores are taught: the pair and the hardest "
        "wrong ones",
    )

    @model_validator(mode="after")
    def _effective(self) -> Self:
        if not self.distill_weight and self.distill_candidates != CANDIDATES:
            raise ValueError(
                f"distill_candidates = {self.distill_candidates} has no effect without distill_weight; leave "
                "it out"
            )
        return self
