"""The config of a training run: `TrainConfig`, the YAML that `zoetrope train --config` reads."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal, Self

from pydantic import Field, model_validator

from schemas.config import Config
from trainer.data.config import DataConfig
from trainer.model.config import ModelConfig
from trainer.objective.config import LOGIT_BIAS, LossConfig
from trainer.retrieval.config import Evaluations, EvaluationSet
from trainer.retrieval.scores import OF_MOTION, RERANKED, full_names


class OptimConfig(Config):
    """AdamW in four groups (CLIP or new, decayed or not), linear warm-up, cosine."""

    lr_clip: float = Field(1e-7, ge=0, le=1, description="peak learning rate of the CLIP towers")
    lr_new: float = Field(
        1e-4, ge=0, le=1, description="peak learning rate of the temporal modules and the interaction module"
    )
    beta1: float = Field(0.9, ge=0, lt=1, description="AdamW's decay of the mean gradient")
    beta2: float = Field(0.98, ge=0, lt=1, description="AdamW's decay of the mean squared gradient")
    eps: float = Field(1e-6, gt=0, le=1e-3, description="AdamW's epsilon")
    weight_decay: float = Field(
        0.2, ge=0, le=1, description="on weight matrices; never on norms, biases and embeddings"
    )
    warmup: float = Field(
        0.1, ge=0, lt=1, description="share of the steps over which the learning rate rises from 0"
    )
    cosine: Literal["after_warmup", "whole_run"] = Field(
        "after_warmup",
        description="where the cosine begins: after the warm-up, or at step 0 under it, as in CLIP4Clip's "
        "schedule",
    )
    end_lr: float = Field(
        0.0, ge=0, le=1, description="share of the peak learning rate that is left at the last step"
    )
    layer_decay: float = Field(
        1.0,
        gt=0,
        le=1,
        description="factor on the towers' learning rate from each block to the one below it; 1: no "
        "difference",
    )
    ema: float | None = Field(
        None,
        gt=0,
        lt=1,
        description="decay of the moving average of the weights, which is evaluated and saved for use; "
        "null: the trained weights are",
    )
    clip_norm: float = Field(1.0, gt=0, description="the gradient's norm over all parameters is cut to this")
    max_logit_scale: float = Field(100.0, gt=1, description="exp(logit_scale) stays at or below this")


class LogConfig(Config):
    """Where numbers go. The console and metrics.jsonl always get them."""

    every: int = Field(10, ge=1, description="steps between two records")
    tensorboard: bool = Field(True, description="write TensorBoard events to OUTPUT/tensorboard")
    wandb: str | None = Field(
        None, description="Weights & Biases project; null: not used. Needs `pip install wandb`"
    )


class TrainConfig(Config):
    """A training run."""

    output: str = Field(description="folder of the run, such as runs/pretrain; checkpoints and logs go there")
    data: DataConfig
    model: ModelConfig = ModelConfig()
    optim: OptimConfig = OptimConfig()
    loss: LossConfig = LossConfig()
    evaluate: Evaluations = Evaluations()
    log: LogConfig = LogConfig()
    global_batch_size: int = Field(
        128, ge=2, description="samples of a step over all ranks: each text has this many less 1 negatives"
    )
    accumulate: int = Field(
        1,
        ge=1,
        description="parts that a rank's share of a step is encoded in; saves memory, keeps every negative",
    )
    max_steps: int | None = Field(
        None, ge=1, description="length of the run in steps; give this or max_samples"
    )
    max_samples: int | None = Field(
        None, ge=1, description="length of the run in samples; give this or max_steps"
    )
    eval_every: int = Field(
        1000, ge=1, description="steps between evaluations on data.eval_shards and evaluate.sets"
    )
    best_metric: str | None = Field(
        None,
        description="what `best` is chosen by: t2v or v2t, then R1, R5, R10 (higher), MdR or MnR (lower); "
        "after re-ranking with rerank. before it, of a set of evaluate.sets with NAME/ before it all; also "
        "motion.accuracy, backwards.preferred; null: t2v.R1 of the first set, with an interaction module "
        "rerank.t2v.R1",
    )
    save_every: int = Field(
        1000, ge=1, description="steps between checkpoints; one is written at the end as well"
    )
    keep: int = Field(2, ge=1, description="the newest checkpoints that are kept, in addition to the best")
    init: str | None = Field(
        None,
        description="checkpoint folder that a new run takes its weights from, such as runs/pretrain/last",
    )
    resume: bool = Field(
        False,
        description="continue exactly where the run in `output` stopped; from the start if it has no "
        "checkpoint",
    )
    freeze: Literal["none", "embeddings", "clip", "dual"] = Field(
        "none",
        description="parameters that are not trained: none; the towers' input layers (patch, token and "
        "position "
        "embeddings), as in CLIP4Clip; the CLIP towers; all but the interaction module",
    )
    device: Literal["auto", "cpu", "cuda"] = Field("auto", description="auto: CUDA if the machine has it")
    precision: Literal["bf16", "fp32"] = Field(
        "bf16", description="of the forward pass; weights and optimizer are always float32"
    )
    compile: bool | Literal["auto"] = Field(
        False,
        description="torch.compile the encoders: slower to start, faster to run; auto: on a GPU, if Triton "
        "and a C compiler are there",
    )
    deterministic: bool = Field(
        True,
        description="the same bits again on the same hardware; attention and a few more GPU kernels are "
        "slower for it",
    )
    seed: int = Field(
        0, ge=0, lt=2**63, description="of the order, the captions, the camera paths and the new weights"
    )

    @model_validator(mode="before")
    @classmethod
    def _bias_of_sigmoid(cls, values: Any) -> Any:
        """The pairwise sigmoid loss has a bias, which is a weight of the model."""
        if not isinstance(values, Mapping) or not isinstance(values.get("loss"), Mapping):
            return values
        model = values.get("model", {})
        if values["loss"].get("contrastive") != "sigmoid" or not isinstance(model, Mapping):
            return values
        if model.get("logit_bias") is not None:
            return values
        return {**values, "model": {**model, "logit_bias": LOGIT_BIAS}}

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if (self.max_steps is None) == (self.max_samples is None):
            raise ValueError("give exactly one of max_steps and max_samples")
        if self.freeze == "dual" and not self.model.interaction.enabled:
            raise ValueError("freeze=dual leaves nothing to train without model.interaction.enabled=true")
        changed = [name for name in ("dual_softmax", "backwards") if getattr(self.evaluate, name)]
        if changed and not self.evaluated_sets:
            raise ValueError(f"evaluate.{changed[0]} has no effect without data.eval_shards or evaluate.sets")
        most = max((frames for _, frames in self.data.frames_curriculum or ()), default=0)
        if most > self.model.max_frames:
            raise ValueError(
                f"data.frames_curriculum has {most} frames, and model.max_frames = {self.model.max_frames}; "
                "lower the one or raise the other"
            )
        if self.optim.layer_decay < 1 and self.freeze in ("clip", "dual"):
            raise ValueError(
                f"optim.layer_decay = {self.optim.layer_decay} has no effect with freeze={self.freeze}; "
                "leave it out"
            )
        self._check_losses()
        self._check_best_metric()
        return self

    def _check_losses(self) -> None:
        fine = self.model.interaction.enabled
        if self.loss.distill_weight and (not fine or self.freeze == "dual"):
            needs = "a dual encoder that is not frozen"
            if not fine:
                needs = "model.interaction.enabled=true"
            raise ValueError(
                f"loss.distill_weight = {self.loss.distill_weight} has no effect without {needs}"
            )
        if self.model.logit_bias is None and self.loss.contrastive == "sigmoid":
            raise ValueError(f"loss.contrastive=sigmoid needs model.logit_bias, such as {LOGIT_BIAS}")
        if self.model.logit_bias is not None and self.loss.contrastive != "sigmoid":
            raise ValueError(
                f"model.logit_bias = {self.model.logit_bias} has no effect without loss.contrastive=sigmoid; "
                "leave it out"
            )
        if not fine and self.loss.match_weight != LossConfig().match_weight:
            raise ValueError(
                f"loss.match_weight = {self.loss.match_weight} has no effect without "
                "model.interaction.enabled=true"
            )

    def _check_best_metric(self) -> None:
        if self.best_metric is None:
            return
        prefix, slash, name = self.best_metric.rpartition("/")
        if slash and prefix not in self.evaluate.sets:
            known_sets = ", ".join(self.evaluate.sets) or "there are none"
            raise ValueError(
                f"best_metric = {self.best_metric!r}: {prefix!r} is no set of evaluate.sets ({known_sets})"
            )
        if not slash and self.evaluate.sets and not self.data.eval_shards:
            first = next(iter(self.evaluate.sets))
            raise ValueError(
                f"best_metric = {self.best_metric!r} needs data.eval_shards, or a set: {first}/{name}"
            )
        measured = {"motion.accuracy": True, "backwards.preferred": self.evaluate.backwards}
        known = (
            *full_names(reranked=self.model.interaction.enabled),
            *(name for name in OF_MOTION if measured[name]),
        )
        if name not in known:
            raise ValueError(f"best_metric = {self.best_metric!r} must be one of {', '.join(known)}")
        if self.freeze == "dual" and not name.startswith(RERANKED):
            raise ValueError(
                f"best_metric = {self.best_metric!r} does not change with freeze=dual; set "
                f"{prefix}{slash}rerank.{name}"
            )

    @property
    def evaluated_sets(self) -> dict[str, EvaluationSet]:
        """The sets to evaluate on by name; that of `data.eval_shards` has the name ''."""
        sets = dict(self.evaluate.sets)
        if not self.data.eval_shards:
            return sets
        phrases = self.data.eval_motion_phrases
        return {"": EvaluationSet(shards=self.data.eval_shards, motion_phrases=phrases), **sets}

    @property
    def chosen_by(self) -> str:
        """The metric that `best` is chosen by."""
        if self.best_metric is not None:
            return self.best_metric
        name = "t2v.R1"
        if self.model.interaction.enabled:
            name = "rerank.t2v.R1"
        first = next(iter(self.evaluated_sets), "")
        if first:
            return f"{first}/{name}"
        return name

    @property
    def total_steps(self) -> int:
        """Steps of the whole run; the last one may go over max_samples by less than a batch."""
        if self.max_steps is not None:
            return self.max_steps
        return -(-(self.max_samples or 0) // self.global_batch_size)
