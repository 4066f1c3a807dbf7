"""The facts on an output that its pages state."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from pipelines.output.pages.about import DatasetConfig
from schemas.manifest import ShardRow
from transforms.stores.registry import find_store

FRAMES = "frames"  # the store of imported videos, and the section of their config


@dataclass(frozen=True)
class Facts:
    """The facts on a data set. Counts are of the whole output, not of one run."""

    folder: str  # name of the output folder
    config: Mapping[str, Any]  # the resolved config
    shards: Sequence[ShardRow]
    samples: int
    failed: int
    reasons: Mapping[str, int]  # failure reason -> count
    version: str  # of zoetrope
    samples_sha256: str | None  # of samples.parquet; None if the samples are a folder of files
    about: DatasetConfig = field(default_factory=DatasetConfig)
    others: Sequence[Mapping[str, Any]] = ()  # configs of the other outputs that were merged into this one
    is_run: bool = True  # did a job write it, with a report?

    @property
    def name(self) -> str:
        """The name of the data set."""
        return self.about.name or self.folder

    @property
    def bytes(self) -> int:
        """Of all shards."""
        return sum(row.bytes for row in self.shards)

    @property
    def is_single(self) -> bool:
        """Is each table one file?"""
        return self.samples_sha256 is not None

    def files_of(self, table: str) -> str:
        """The name of a table, or a pattern for its files."""
        if self.is_single:
            return table
        return f"{table.removesuffix('.parquet')}/*.parquet"

    @property
    def is_video(self) -> bool:
        """Are the clips real videos?"""
        return FRAMES in self.config

    @property
    def store(self) -> str:
        """The name of the store."""
        if self.is_video:
            return FRAMES
        return str(self.config.get("store"))

    @property
    def frames(self) -> int:
        """The frames of a clip; the most that one has for real videos."""
        if self.is_video:
            return int(self.config[FRAMES]["max_frames"])
        return int(dict(self.config.get("clip") or {}).get("frames", 12))

    @property
    def extension(self) -> str:
        """The format of encoded frames."""
        if self.is_video:
            section = self.config[FRAMES]
        else:
            section = self.config.get("encode") or {}
        return str(dict(section).get("format", "jpg"))

    @property
    def media(self) -> dict[str, str]:
        """The members of a sample that hold pixels, name -> image or video, in the order of the shard."""
        found = find_store(self.store).media(self.frames, self.extension)
        for config in self.others:
            found |= replace(self, config=config, others=()).media
        return found


def brace_pattern(shards: Sequence[ShardRow]) -> str | None:
    """``{00000..00331}.tar`` if the names have no gap, else None; a glob serves then."""
    stems = [row.shard.removesuffix(".tar") for row in shards]
    if not stems or not all(stem.isdigit() and len(stem) == 5 for stem in stems):
        return None
    if [int(stem) for stem in stems] != list(range(int(stems[0]), int(stems[0]) + len(stems))):
        return None
    if len(stems) == 1:
        return shards[0].shard
    return f"{{{stems[0]}..{stems[-1]}}}.tar"
