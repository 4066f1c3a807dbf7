"""The config of `zoetrope evaluate`."""

from __future__ import annotations

import re
from typing import Literal, Self

from pydantic import Field, field_validator, model_validator

from schemas.config import Config

DUAL_SOFTMAX = (
    "measure with dual softmax too, which reads all queries at once (transductive); reported as dual_softmax"
)
QUERYBANK = (
    "measure text to video with QB-Norm too, reported as qb_norm: shards whose captions are the bank, such "
    "as the training set's; with the shards measured on it is transductive; null: not"
)
QUERYBANK_CAPTIONS = "captions of a query bank, at most"
BACKWARDS = (
    "measure text to video with every clip played backwards as a distractor too; reported as backwards"
)


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


BANK_SIZE = 10_000
SET_NAME = re.compile(r"[A-Za-z0-9_-]{1,40}")


class EvaluationSet(Config):
    """A named set of shards that a training run evaluates on."""

    shards: str | list[str] = Field(
        description="shards: a folder, a glob or a brace range, local or gs://; or a list"
    )
    captions: Literal["all", "first", "shared"] = Field(
        "all",
        description="queries: every caption of a video, or its first alone; shared: equal captions are one "
        "query, without re-ranking and the options of `evaluate`",
    )
    motion_phrases: bool = Field(True, description="keep the phrases of stored paths in the captions")
    querybank: str | list[str] | None = Field(None, description=QUERYBANK)

    @model_validator(mode="after")
    def _effective(self) -> Self:
        if self.captions == "shared" and self.querybank is not None:
            raise ValueError("querybank has no effect with captions=shared; leave one of them out")
        return self


class Evaluations(Config):
    """The `evaluate` section of a training config: what is measured besides `data.eval_shards`, and how."""

    sets: dict[str, EvaluationSet] = Field(
        default_factory=dict,
        description="sets by name, each with shards, captions (all, first, shared), motion_phrases and "
        "querybank; the metrics of set `msvd` are msvd/t2v.R1 and so on",
    )
    before: bool = Field(True, description="evaluate a new run before its first step too (zero-shot)")
    dual_softmax: bool = Field(False, description=DUAL_SOFTMAX)
    querybank_captions: int = Field(BANK_SIZE, ge=1, description=QUERYBANK_CAPTIONS)
    backwards: bool = Field(False, description=BACKWARDS)

    @model_validator(mode="after")
    def _has_bank(self) -> Self:
        if self.querybank_captions != BANK_SIZE and not any(s.querybank for s in self.sets.values()):
            raise ValueError(
                f"querybank_captions = {self.querybank_captions} has no effect without a set with a "
                "querybank; leave it out"
            )
        return self

    @field_validator("sets")
    @classmethod
    def _names(cls, sets: dict[str, EvaluationSet]) -> dict[str, EvaluationSet]:
        for name in sets:
            if not SET_NAME.fullmatch(name):
                raise ValueError(
                    f"{name!r} is no name of a set: use up to 40 of A-Z, a-z, 0-9, _ and -, such as msrvtt"
                )
        return sets


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
    dual_softmax: bool = Field(False, description=DUAL_SOFTMAX)
    querybank: str | list[str] | None = Field(None, description=QUERYBANK)
    querybank_captions: int = Field(BANK_SIZE, ge=1, description=QUERYBANK_CAPTIONS)
    backwards: bool = Field(False, description=BACKWARDS)
    device: Literal["auto", "cpu", "cuda"] = Field("auto", description="auto: CUDA if the machine has it")
    precision: Literal["bf16", "fp32"] = Field("fp32", description="of the forward pass")
    trained_weights: bool = Field(
        False,
        description="of a run with optim.ema: measure the weights as trained, not their moving average",
    )
    output: str | None = Field(None, description="JSON file for the result; null: printed only")

    @model_validator(mode="after")
    def _effective(self) -> Self:
        if self.captions == "shared":
            for name in ("dual_softmax", "querybank", "backwards"):
                if getattr(self, name):
                    raise ValueError(f"{name} has no effect with captions=shared; leave one of them out")
        if self.querybank is None and self.querybank_captions != BANK_SIZE:
            raise ValueError(
                f"querybank_captions = {self.querybank_captions} has no effect without querybank; leave it "
                "out"
            )
        return self
