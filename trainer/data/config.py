"""What to read and how: the `data` section of a training config."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from schemas.config import Config
from transforms.motions.mix import MotionMix


class DataConfig(Config):
    """Shards, workers, shuffling, and how stills are animated."""

    shards: str | list[str] = Field(
        description="training shards: a folder, a glob or a brace range, local or gs://; or a list"
    )
    eval_shards: str | list[str] | None = Field(
        default=None, description="shards to evaluate on during training; none: no evaluation and no `best`"
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
    camera: Literal["fresh", "stored"] = Field(
        default="fresh",
        description="camera path over a `still` in training: drawn anew every epoch, or as stored",
    )
    frame_jitter: Literal["clip2video"] | None = Field(
        default=None,
        description="of stored clips with more frames than the model takes, which ones in training; clip2video: anew every "
        "epoch, around evenly spaced places, where these lie six or more apart; null: evenly spaced, as in evaluation",
    )
    motions: MotionMix = Field(
        default_factory=MotionMix.default,
        description="mix of motions that fresh paths are drawn from, as in `zoetrope animate`",
    )
    broken_shards: Literal["skip", "error"] = Field(
        default="skip",
        description="a truncated or unreadable shard: use what can be read and say so, or stop",
    )
    eval_batch_size: int = Field(default=32, ge=1, description="videos in a batch when evaluating")
