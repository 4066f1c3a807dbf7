"""The `data` section of a training config."""

from __future__ import annotations

from typing import Literal, Self

from pydantic import Field, model_validator

from schemas.config import Config
from schemas.errors import ConfigError
from trainer.data.augment.curriculum import check_stages
from trainer.data.augment.draw import AugmentConfig
from trainer.data.mixing.config import MixEntry
from transforms.motions.mix import MotionMix


class DataConfig(Config):
    """Shards, workers, shuffling, and how stills are animated."""

    shards: str | list[str] | None = Field(
        default=None,
        description="training shards: a folder, a glob or a brace range, local or gs://; or a list. Give "
        "this or mix",
    )
    mix: list[MixEntry] | None = Field(
        default=None,
        min_length=1,
        description="several sets of shards with fixed shares of every batch: a list of {shards, weight, and "
        "the settings in which a set differs: camera, motions, motion_phrases, paths_per_picture, captions, "
        "frame_jitter, equal_captions, augment}",
    )
    eval_shards: str | list[str] | None = Field(
        default=None, description="shards to evaluate on during training; null: no evaluation and no `best`"
    )
    workers: int = Field(
        default=4, ge=0, le=256, description="decoding processes of each rank; 0: in the training process"
    )
    batches_ahead: int = Field(
        default=4, ge=1, le=64, description="ready batches that each worker keeps waiting"
    )
    shuffle_samples: int = Field(
        default=2000,
        ge=0,
        description="encoded samples in each worker's shuffle buffer; 0: shards are shuffled, samples not",
    )
    shuffle_megabytes: int = Field(
        default=256, ge=1, description="at most this much memory for each worker's shuffle buffer"
    )
    read_ahead: int = Field(
        default=64,
        ge=0,
        description="samples that a thread reads ahead of each worker from remote shards; 0: none",
    )
    camera: Literal["fresh", "stored", "picture"] = Field(
        default="fresh",
        description="camera path over a `still` in training: a fresh one every epoch, the stored one, or "
        "none: the picture as a clip of one frame",
    )
    frames_curriculum: list[tuple[int, int]] | None = Field(
        default=None,
        description="frames of a clip in training by step, such as [[0, 1], [1000, 4], [5000, 12]]; null: "
        "model.max_frames throughout. Evaluation takes model.max_frames",
    )
    frame_jitter: Literal["clip2video", "segments", "start"] | None = Field(
        default=None,
        description="frames in training of stored clips that have more than the model takes; clip2video: "
        "drawn every epoch around evenly spaced ones, where these are six or more apart; segments: one frame "
        "anywhere in each of equal parts (TSN); start: evenly spaced from a random start; null: evenly "
        "spaced, as in evaluation",
    )
    augment: AugmentConfig = AugmentConfig()
    motions: MotionMix = Field(
        default_factory=MotionMix.default,
        description="mix of motions that fresh paths are drawn from, as in `zoetrope animate`",
    )
    motion_phrases: float = Field(
        default=0.0,
        ge=0,
        le=1,
        description="with camera=fresh: probability that a fresh path's phrase is appended to its caption, "
        "as "
        "in `zoetrope animate`; captions with phrases make motion count in the loss",
    )
    paths_per_picture: int = Field(
        default=1,
        ge=1,
        le=64,
        description="with motion_phrases: paths over one picture in a batch, of different motions where "
        "possible; each is a hard negative of the others",
    )
    captions: Literal["turn", "first"] = Field(
        default="turn",
        description="caption of a clip in training: its captions in turn, one per epoch, or the first alone",
    )
    equal_captions: bool = Field(
        default=False,
        description="in training, clips with equal captions are no negatives of each other; for data whose "
        "captions are templates",
    )
    eval_motion_phrases: bool = Field(
        default=True,
        description="when evaluating, keep the phrases of stored paths in the captions; false: drop them",
    )
    broken_shards: Literal["skip", "error"] = Field(
        default="skip",
        description="a truncated or unreadable shard: use what can be read and say so, or stop",
    )
    eval_batch_size: int = Field(default=32, ge=1, description="videos in a batch when evaluating")

    @model_validator(mode="after")
    def _shards_or_mix(self) -> Self:
        if self.shards is None and self.mix is None:
            raise ValueError(
                "shards is required: give it in the config file or as data.shards=...; or give mix"
            )
        if self.shards is not None and self.mix is not None:
            raise ValueError(
                "shards has no effect with mix, which has shards of its own; leave one of them out"
            )
        self.sets()
        return self

    def sets(self) -> list[DataConfig]:
        """Return the settings of each set of the mix, or these settings alone. Raises ValueError."""
        if self.mix is None:
            return [self]
        shared = self.model_dump(exclude={"mix"})
        made = []
        for number, entry in enumerate(self.mix):
            try:
                made.append(DataConfig.make({**shared, **entry.settings}))
            except ConfigError as error:
                raise ConfigError(f"mix.{number}: {error}") from None
        return made

    @property
    def weights(self) -> list[float]:
        """The weight of each set."""
        if self.mix is None:
            return [1.0]
        return [entry.weight for entry in self.mix]

    @model_validator(mode="after")
    def _effective(self) -> Self:
        if self.frames_curriculum is not None:
            check_stages(self.frames_curriculum)
        if self.motion_phrases and self.camera == "stored":
            raise ValueError(
                f"motion_phrases = {self.motion_phrases} has no effect with camera=stored: a stored path's "
                "phrase stays in its caption; set camera=fresh, or leave it out"
            )
        if self.motion_phrases and self.camera == "picture":
            raise ValueError(
                f"motion_phrases = {self.motion_phrases} has no effect with camera=picture, where nothing "
                "moves; set camera=fresh, or leave it out"
            )
        if self.paths_per_picture > 1 and not self.motion_phrases:
            raise ValueError(
                f"paths_per_picture = {self.paths_per_picture} has no effect without motion_phrases: paths "
                "whose captions say nothing of the motion are no negatives; set motion_phrases=1, or leave "
                "it out"
            )
        return self
