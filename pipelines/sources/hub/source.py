"""The source `huggingface`: a data set on disk or by name, read by the source of its form."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any, Self

from pipelines.sources.base import Loss, Source
from pipelines.sources.config import SourceConfig
from pipelines.sources.folder import FolderSource
from pipelines.sources.growth.known import Known
from pipelines.sources.hub.layout import Place, find_place, hub_name
from pipelines.sources.hub.streamed import StreamedSource
from pipelines.sources.hub.tables import ArrowSource, HubParquetSource
from pipelines.workers.reader import Progress, unwatched
from schemas.errors import ConfigError
from schemas.records import Failure, Reference, Task


class HuggingFaceSource(Source):
    """One split of a data set.

    Keys of tables are numbers of rows, those of a folder of pictures are the source `folder`'s.
    """

    config: SourceConfig

    def __init__(self, config: SourceConfig, *, shard_samples: int) -> None:
        super().__init__(config, shard_samples=shard_samples)
        self._made: Source | None = None

    @property
    def keys_are_row_numbers(self) -> bool:
        """All but those of a folder of pictures."""
        return self._source.keys_are_row_numbers

    @property
    def is_remote(self) -> bool:
        """Are the pictures URLs?"""
        return self._source.is_remote

    @property
    def plans_apart(self) -> bool:
        """Always: even the forms of small files are parsed."""
        return True

    def watch(self, progress: Progress) -> None:
        """Have `progress` hear of the files that are parsed."""
        super().watch(progress)
        if self._made is not None:
            self._made.watch(progress)

    def fingerprint(self) -> dict[str, Any]:
        """That of the source of its form, and the split."""
        found = self._source.fingerprint()
        if self._place is not None:
            found["split"] = self._place.split
        return {**found, "kind": "huggingface"}

    @property
    def can_grow(self) -> bool:
        """Parquet files and folders of pictures do. Arrow files are saved whole, and a name has a commit."""
        return self._source.can_grow

    def as_before(self, limit: int | None, files: int | None) -> Self:
        """The source with another limit and its first files only."""
        source = super().as_before(limit, files)
        source._made = None
        return source

    def plan(self) -> Iterator[Task]:
        """The tasks of the source of its form."""
        return self._source.plan()

    def plan_from(self, known: Known) -> Iterator[Task]:
        """The tasks of the source of its form that has grown."""
        return self._source.plan_from(known)

    def read(self, task: Task) -> Iterator[Reference | Failure]:
        """The inputs of a task."""
        return self._source.read(task)

    def lose(self, task: Task, done: int) -> Loss:
        """As the source of its form; of a folder of pictures one row is lost."""
        rows = task.payload.get("rows")
        if rows is None:
            return self._source.lose(task, done)
        rest = replace(task, samples=len(rows) - done - 1, payload={"rows": rows[done + 1 :]})
        following = None
        if rest.samples:
            following = rest
        return Loss((rows[done]["key"],), rows[done].get("path", ""), following)

    def close(self) -> None:
        """Let go of what reading has opened."""
        if self._made is not None:
            self._made.close()

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_made": None, "progress": unwatched}

    @property
    def _source(self) -> Source:
        """The source of its form, found when it is first needed."""
        if self._made is None:
            self._made = self._make()
            self._made.picture_bytes = self.picture_bytes
            self._made.first_files = self.first_files
            self._made.watch(self.progress)
        return self._made

    def _make(self) -> Source:
        if hub_name(self.config.uri or "") is not None:
            self._place: Place | None = None
            return StreamedSource(self.config, shard_samples=self.shard_samples)
        if self.config.revision is not None:
            raise ConfigError("source.revision: has no effect on a folder; remove it")
        self._place = find_place(self.config)
        if self._place.form == "arrow":
            return ArrowSource(self.config, self._place, shard_samples=self.shard_samples)
        if self._place.form == "parquet":
            return HubParquetSource(self.config, self._place, shard_samples=self.shard_samples)
        folder = self.config.model_copy(update={"kind": "folder", "uri": self._place.root})
        return FolderSource(folder, shard_samples=self.shard_samples)
