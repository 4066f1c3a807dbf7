"""The config of `zoetrope evaluate`."""

from __future__ import annotations

import re
from typing import Any, Literal, Self

from pydantic import Field, field_validator, model_validator

from schemas.config import Config

DUAL_SOFTMAX = (
    "measure with dual softmax too, which reads all queries at once (transductive); reported as dual_softmax"
)
QUERYBANK = (
    "measure text to video with QB-Norm too, reported as qb_norm: shards whose captions are the bank, such "
    "as the training set's; with the shards measured on it is transductive; null: no QB-Norm"
)
QUERYBANK_CAPTIONS = "captions of a query bank, at most"
BACKWARDS = (
    "measure text to video with every clip played backwards as a distractor too; reported as backwards"
)


class EvaluationData(Config):
    """The shards to evaluate on, and how they are read."""

    shards: str | list[str] | None = Field(
        None,
        description="shards: a folder, a glob or a brace range, local or gs://; or a list. Give this, sets, "
        "or both",
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


BANK_SIZE = 10_000  # captions
SET_NAME = re.compile(r"[A-Za-z0-9_-]{1,40}")


class EvaluationSet(Config):
    """A named set of shards to evaluate on."""

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
        return check_names(sets)


def check_names(sets: dict[str, EvaluationSet]) -> dict[str, EvaluationSet]:
    """Return the sets. Raises ValueError for a name that cannot be part of a metric's."""
    for name in sets:
        if not SET_NAME.fullmatch(name):
            raise ValueError(
                f"{name!r} is no name of a set: use up to 40 of A-Z, a-z, 0-9, _ and -, such as msrvtt"
            )
    return sets


class BaselineConfig(Config):
    """CLIP towers that have seen no clip. The mean of a clip's frames is compared with the caption."""

    clip: str | dict[str, Any] = Field(
        "ViT-B-32-quickgelu", description="an open_clip model name, or a ClipShape mapping, as for training"
    )
    pretrained: str = Field(description="CLIP weights: a local .safetensors or .pt file, or an open_clip tag")
    tokenizer: str | None = Field(
        None, description="tokenizer of towers without CLIP's vocabulary, as for training"
    )
    max_frames: int = Field(12, ge=1, description="frames of a clip")
    max_words: int = Field(32, ge=3, description="tokens of a caption, start and end included")

    @property
    def variant(self) -> dict[str, Any]:
        """The fields of a `ModelConfig`: these towers and nothing that would need training."""
        return {**self.to_dict(), "sim_type": "meanP", "center_type": ""}


class EvaluateConfig(Config):
    """An evaluation."""

    checkpoint: str | None = Field(
        None, description="a checkpoint folder, such as runs/finetune/best; give this or model"
    )
    model: BaselineConfig | None = None
    data: EvaluationData = EvaluationData()
    sets: dict[str, EvaluationSet] = Field(
        default_factory=dict,
        description="further sets by name, each with shards, captions (all, first, shared), motion_phrases "
        "and querybank, such as {msvd: {shards: msvd/test/}, vatex: {shards: vatex/test/}}",
    )
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

    @field_validator("sets")
    @classmethod
    def _names(cls, sets: dict[str, EvaluationSet]) -> dict[str, EvaluationSet]:
        return check_names(sets)

    @model_validator(mode="after")
    def _complete(self) -> Self:
        if self.checkpoint is None and self.model is None:
            raise ValueError(
                "checkpoint is required: give it as checkpoint=DIR; or CLIP weights as model.pretrained=FILE"
            )
        if self.checkpoint is not None and self.model is not None:
            raise ValueError("checkpoint and model exclude each other: measure one of them")
        if self.model is not None and self.trained_weights:
            raise ValueError("trained_weights has no effect without a checkpoint; leave it out")
        if self.data.shards is None and not self.sets:
            raise ValueError("data.shards is required: give it as data.shards=...; or give sets")
        return self

    @model_validator(mode="after")
    def _effective(self) -> Self:
        if self.captions == "shared" and self.data.shards is not None:
            for name in ("dual_softmax", "querybank", "backwards"):
                if getattr(self, name):
                    raise ValueError(f"{name} has no effect with captions=shared; leave one of them out")
        banks = [self.querybank, *(each.querybank for each in self.sets.values())]
        if not any(banks) and self.querybank_captions != BANK_SIZE:
            raise ValueError(
                f"querybank_captions = {self.querybank_captions} has no effect without querybank; leave it "
                "out"
            )
        if self.data.shards is None:
            changed = {
                "captions": self.captions != "all",
                "querybank": self.querybank is not None,
                "data.motion_phrases": not self.data.motion_phrases,
            }
            for name in (name for name, is_set in changed.items() if is_set):
                raise ValueError(f"{name} has no effect without data.shards; set it for each of the sets")
        return self

    @property
    def measured_sets(self) -> dict[str, EvaluationSet]:
        """The sets to measure by name; that of `data.shards` has the name ''."""
        if self.data.shards is None:
            return dict(self.sets)
        plain = EvaluationSet(
            shards=self.data.shards,
            captions=self.captions,
            motion_phrases=self.data.motion_phrases,
            querybank=self.querybank,
        )
        return {"": plain, **self.sets}

    @property
    def measured_model(self) -> str:
        """The checkpoint, or the CLIP weights, in words."""
        if self.model is not None:
            return f"CLIP {self.model.pretrained}, mean pooling"
        return str(self.checkpoint)
