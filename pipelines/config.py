"""The configs of the jobs that write shards.

They load without Beam, so that a mistake in one is found at once.
"""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field, field_serializer, field_validator

from pipelines.curation.config import dump_filters, parse_filters
from pipelines.fetching.config import FetchConfig
from pipelines.making.config import FrameConfig, ShardConfig
from pipelines.output.pages.about import DatasetConfig
from pipelines.sources.config import SourceConfig
from pipelines.sources.videos.config import VideoSourceConfig
from pipelines.workers.config import SampleLimits
from schemas.config import Config
from transforms.curation.rule import Rule
from transforms.media.video.limits import VideoLimits
from transforms.settings import ClipSettings


class AnimateConfig(ClipSettings):
    """The main job."""

    source: SourceConfig = Field(description="where pictures and captions come from")
    output: str = Field(
        min_length=1,
        description="folder of the shards: a local path or gs://; new, empty, or started by this job",
    )
    device: Literal["auto", "cpu", "cuda"] = Field(
        "auto", description="what renders; auto: CUDA where a worker has it, else its CPU"
    )
    workers: int | None = Field(
        None,
        ge=1,
        le=4096,
        description="processes that make samples; with --runner, per worker of it; null: one per core",
    )
    shard: ShardConfig = ShardConfig()
    dataset: DatasetConfig = DatasetConfig()
    limits: SampleLimits = SampleLimits()
    fetch: FetchConfig = FetchConfig()
    filters: tuple[str | Rule, ...] = Field(
        (), description="rules that drop samples, see docs/curation.md, and module:function of your own"
    )
    max_failure_ratio: float | None = Field(
        None,
        ge=0.0,
        le=1.0,
        description="exit 1 if more inputs failed; null: 1.0 where pictures are fetched, else 0.05",
    )
    max_failed_tasks: int | None = Field(
        None,
        ge=0,
        description="tasks that may fail three times each and become failures `task_failed`, before the job "
        "fails; null: one in a hundred tasks",
    )
    overwrite: bool = Field(
        False, description="remove what an earlier job with another config left in the output"
    )

    @field_validator("filters", mode="before")
    @classmethod
    def _parsed(cls, value: Any) -> Any:
        return parse_filters(value)

    @field_serializer("filters")
    def _dumped(self, filters: tuple[str | Rule, ...]) -> list[Any]:
        return dump_filters(filters)

    @property
    def settings(self) -> ClipSettings:
        """The settings that decide the bytes of a sample."""
        return ClipSettings(**{name: getattr(self, name) for name in ClipSettings.model_fields})


class ImportConfig(Config):
    """The job that imports videos."""

    source: VideoSourceConfig = Field(description="where videos and captions come from")
    output: str = Field(
        description="folder of the shards: a local path or gs://; new, empty, or started by this job"
    )
    frames: FrameConfig = FrameConfig()
    limits: VideoLimits = VideoLimits()
    max_caption: int = Field(
        1000, ge=1, le=100_000, description="longest caption, characters; cut between words"
    )
    workers: int | None = Field(
        None,
        ge=1,
        le=4096,
        description="processes that make samples; with --runner, per worker of it; null: one per core",
    )
    shard: ShardConfig = ShardConfig()
    dataset: DatasetConfig = DatasetConfig()
    max_failure_ratio: float = Field(
        1.0,
        ge=0.0,
        le=1.0,
        description="exit 1 if more inputs failed; 1.0: never, for published videos go missing",
    )
    max_failed_tasks: int | None = Field(
        None,
        ge=0,
        description="tasks that may fail three times each and become failures `task_failed`, before the job "
        "fails; null: one in a hundred tasks",
    )
    overwrite: bool = Field(
        False, description="remove what an earlier job with another config left in the output"
    )
