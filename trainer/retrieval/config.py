"""The config of `zoetrope evaluate`."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from schemas.config import Config


class EvaluationData(Config):
    """The shards to evaluate on."""

    shards: str | list[str] = Field(
        description="shards: a folder, a glob or a brace range, local or gs://; or a list"
    )
    workers: int = Field(4, ge=0, le=256, description="decoding processes; 0: in this process")
    batch_size: int = Field(64, ge=1, description="videos embedded at a time; lower it if memory runs out")
    motion_phrases: bool = Field(
        True, description="keep the phrases of stored paths in the captions; false: leave them out"
    )
    broken_shards: Literal["skip", "error"] = Field(
        "error",
        description="a truncated or unreadable shard: stop, or measure on what can be read and say so",
    )


class EvaluateConfig(Config):
    """An evaluation."""

    checkpoint: str = Field(description="a checkpoint folder, such as runs/finetune/best")
    data: EvaluationData
    captions: Literal["all", "first", "shared"] = Field(
        "all",
        description="queries: every caption of a video (MSVD, VATEX, MSR-VTT full), or its first alone; "
        "shared: equal captions are one query, and any of their videos is right (Something-Something's "
        "templates), without re-ranking",
    )
    rerank: bool | None = Field(
        None, description="measure with re-ranking too; null: where the checkpoint has an interaction module"
    )
    top_k: int | None = Field(
        None, ge=1, description="candidates that are re-ranked, a query; null: as the checkpoint says"
    )
    weight: float | None = Field(
        None, ge=0, le=1, description="share of the match score when re-ranking; null: as the checkpoint says"
    )
    device: Literal["auto", "cpu", "cuda"] = Field("auto", description="auto: CUDA if the machine has it")
    precision: Literal["bf16", "fp32"] = Field("fp32", description="of the forward pass")
    output: str | None = Field(None, description="JSON file for the result; null: printed only")
