"""How an index is made: the settings of `zoetrope index`."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from schemas.config import Config


class IndexSettings(Config):
    """How to embed."""

    workers: int = Field(4, ge=1, le=256, description="decoding threads")
    batch_size: int = Field(64, ge=1, description="clips embedded at a time; lower it if memory runs out")
    device: Literal["auto", "cpu", "cuda"] = Field("auto", description="auto: CUDA if the machine has it")
    precision: Literal["bf16", "fp32"] = Field("fp32", description="of the forward pass")
    tokens: bool | None = Field(
        None,
        description="keep frame tokens for re-ranking, T x D x 2 bytes a clip; null: where the model has an "
        "interaction module",
    )
