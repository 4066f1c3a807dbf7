"""The config of the lab, as `zoetrope lab --config` reads it."""

from __future__ import annotations

from typing import Any, Literal, Self

from pydantic import Field, field_validator, model_validator

from lab.arms import ALL_ARMS, ARMS
from schemas.config import Config
from schemas.text import nearest_hint
from trainer.model.config import ModelConfig


class TestSets(Config):
    """How many pairs of object and background each test has. No pair occurs in training."""

    __test__ = False  # no test class of pytest

    content: int = Field(
        1000, ge=2, description="pairs, and videos, of the test `content`; pictures of `still`"
    )
    motion: int = Field(100, ge=1, description="pairs of the test `motion`, eight videos each")
    order: int = Field(100, ge=1, description="pairs of the test `order`, eight videos each")


class CorpusConfig(Config):
    """The corpus, which is made from its seed."""

    seed: int = Field(0, ge=0, description="of the whole corpus")
    kind: Literal["emoji", "drawn"] = Field(
        "emoji", description="objects: emoji, which npm downloads once (74 MB), or shapes that are drawn here"
    )
    objects: int = Field(120, ge=4, description="how many")
    stills: int = Field(20_000, ge=8, description="pictures to pretrain on")
    real_videos: int = Field(4000, ge=0, description="videos that the arm `video` pretrains on")
    takes: int = Field(
        8,
        ge=1,
        le=16,
        description="videos of one scene, with other motions, that the arm `video` pretrains on",
    )
    tuning: tuple[int, ...] = Field((500, 2000), description="sizes of the sets of videos to fine-tune on")
    tests: TestSets = TestSets()
    picture_side: int = Field(128, ge=32, le=1024, description="pixels a side of the pictures")
    video_side: int = Field(96, ge=32, le=1024, description="pixels a side of the videos; even")
    frame_side: int = Field(48, ge=16, le=1024, description="pixels a side of what the model sees")

    @field_validator("video_side")
    @classmethod
    def _even(cls, side: int) -> int:
        if side % 2:
            raise ValueError(f"video_side = {side} must be even: H.264 halves the colours")
        return side


class Stage(Config):
    """One stage of training."""

    steps: int = Field(ge=1, description="steps")
    batch: int = Field(ge=2, description="samples in a step")
    lr_clip: float = Field(ge=0, le=1, description="peak learning rate of the towers")
    lr_new: float = Field(ge=0, le=1, description="peak learning rate of the other modules")


class LabConfig(Config):
    """The experiment."""

    output: str = Field(
        "lab-output", min_length=1, description="folder of the corpus, the runs and the results"
    )
    corpus: CorpusConfig = CorpusConfig()
    arms: tuple[str, ...] = Field(tuple(ARMS), description="what is compared; see docs/lab.md")
    seeds: tuple[int, ...] = Field((0, 1, 2), description="one whole experiment per seed")
    model: dict[str, Any] = Field(
        description="the model section of a training config; pretrained=FILE replaces the stage `towers`"
    )
    towers: Stage = Field(description="images and captions alone: the weights that every arm starts from")
    pretrain: Stage = Field(description="every arm's own pretraining")
    tune: Stage = Field(description="fine-tuning on real videos")
    paths_per_picture: int = Field(4, ge=2, le=64, description="hard negatives of the arm `negatives`")
    whole_pictures: float = Field(
        0.25,
        ge=0,
        lt=1,
        description="share of every pretraining batch, of all arms alike, that is whole pictures of one "
        "frame: they keep what the towers know",
    )
    motion_phrases: float = Field(0.75, gt=0, le=1, description="share of captions with the motion's phrase")
    results: str = Field(
        "results",
        min_length=1,
        description="folder of the table, inside the output; several tables may share it",
    )
    top_k: int = Field(10, ge=2, description="candidates that the interaction module re-ranks")
    device: Literal["cpu", "cuda"] = Field("cpu", description="what trains and evaluates")
    jobs: int | None = Field(
        None, ge=1, le=64, description="trainings at once; null: one per core, or one on a GPU"
    )
    loader_workers: int = Field(0, ge=0, le=64, description="processes that load data, per training")
    bootstrap: int = Field(2000, ge=100, le=100_000, description="resamplings behind each interval")

    @field_validator("arms")
    @classmethod
    def _known(cls, arms: tuple[str, ...]) -> tuple[str, ...]:
        for arm in arms:
            if arm not in ALL_ARMS:
                known = ", ".join(ALL_ARMS)
                raise ValueError(f"{arm!r} must be one of {known}{nearest_hint(arm, ALL_ARMS)}")
        return arms

    @field_validator("model")
    @classmethod
    def _is_a_model(cls, model: dict[str, Any]) -> dict[str, Any]:
        ModelConfig.make(model)
        return model

    @model_validator(mode="after")
    def _videos(self) -> Self:
        if self.needs_videos and not self.corpus.real_videos:
            name = next(arm for arm in self.arms if _of_videos(arm))
            raise ValueError(
                f"corpus.real_videos = 0 leaves the arm `{name}` without data; raise it, or drop the arm"
            )
        return self

    @property
    def needs_videos(self) -> bool:
        """Does an arm pretrain on real videos?"""
        return any(_of_videos(arm) for arm in self.arms)


def _of_videos(arm: str) -> bool:
    return ALL_ARMS[arm].data == "real" or ALL_ARMS[arm].videos > 0
