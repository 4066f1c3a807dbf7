"""What a source is: it plans tasks from its index alone, and reads one task. A user's own source is found by import path."""

from __future__ import annotations

import hashlib
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator
from itertools import islice
from typing import Any, Protocol, Self

from pydantic import Field, model_validator

from schemas.config import Config
from schemas.errors import ConfigError
from schemas.keys import check_key
from schemas.plugins import find_plugin, is_plugin
from schemas.records import Failure, Reason, Reference, Stage, Task
from schemas.text import nearest_hint, valid_text

KINDS = {
    "coco": "pipelines.sources.coco:CocoSource",
    "cc3m": "pipelines.sources.tsv:Cc3mSource",
    "cc12m": "pipelines.sources.tsv:Cc12mSource",
    "tars": "pipelines.sources.tars:TarsSource",
    "parquet": "pipelines.sources.parquet:ParquetSource",
    "folder": "pipelines.sources.folder:FolderSource",
}
REQUIRED = {kind: ("annotations", "images") if kind == "coco" else ("uri",) for kind in KINDS}
OPTIONAL = {"parquet": ("image_column", "url_column", "caption_column"), "folder": ("caption_column",)}
EVERYWHERE = ("kind", "limit")


class SourceConfig(Config):
    """Where the pictures and captions are. A field that means nothing for the kind is an error, not ignored."""

    kind: str = Field(
        description="coco, cc3m, cc12m, tars, parquet, folder, or module:Class for a source of your own"
    )
    uri: str | None = Field(
        None,
        description="tables, tars or folder: a local path or gs://, a glob, or a brace range (all kinds but coco)",
    )
    annotations: str | None = Field(None, description="coco: the captions JSON, or a glob of several")
    images: str | None = Field(None, description="coco: the folder of pictures, a zip of it, or a glob")
    image_column: str | None = Field(
        None,
        description="parquet: column of encoded pictures, bytes or {bytes, path}; null: 'image' if there is one",
    )
    url_column: str | None = Field(
        None, description="parquet: column of URLs to fetch; null: 'url' if there is no image column"
    )
    caption_column: str | None = Field(
        None,
        description="parquet, folder: column of captions, text or a list; null: the first of caption, captions, text",
    )
    limit: int | None = Field(
        None, ge=1, description="only the first so many inputs, to try things out; null: all"
    )
    options: dict[str, Any] = Field(
        default_factory=dict, description="module:Class: whatever that class reads from it"
    )

    @model_validator(mode="after")
    def _fields_fit_kind(self) -> Self:
        if is_plugin(self.kind):
            return self
        if self.kind not in KINDS:
            raise ValueError(
                f"kind = {self.kind!r} is none of {', '.join(KINDS)}, or module:Class"
                f"{nearest_hint(self.kind, KINDS)}"
            )
        required = REQUIRED[self.kind]
        for name in required:
            if not getattr(self, name):
                raise ValueError(f"{name} is required for kind {self.kind}: give source.{name}=...")
        allowed = {*EVERYWHERE, *required, *OPTIONAL.get(self.kind, ())}
        for name in type(self).model_fields:
            if name not in allowed and getattr(self, name):
                raise ValueError(f"{name} has no effect for kind {self.kind}: remove source.{name}")
        return self


class Reader(Protocol):
    """What reads the inputs of a task."""

    def read(self, task: Task) -> Iterator[Reference | Failure]:
        """The inputs of one task, in order."""
        ...


class Source(ABC):
    """One kind of input. Subclasses say how to plan tasks and how to read one.

    Objects are small and picklable: they travel to the workers, and what `plan` learnt travels in `Task.payload`.
    Contract: every input becomes exactly one `Reference` or one `Failure`; keys are from ``[a-z0-9_-]``, unique in the
    source, the same in every run, and sort in source order.
    """

    def __init__(self, config: SourceConfig, *, shard_samples: int) -> None:
        self.config = config
        self.shard_samples = shard_samples

    @abstractmethod
    def plan(self) -> Iterator[Task]:
        """The tasks in source order, streamed from the index; opens no picture.

        Raises ConfigError if there is nothing at the address or it is not of this kind, OSError if it cannot be read.
        """

    @abstractmethod
    def read(self, task: Task) -> Iterator[Reference | Failure]:
        """The inputs of one task, in order. Raises OSError (naming the path) if the source itself has gone."""

    @abstractmethod
    def fingerprint(self) -> dict[str, Any]:
        """Plain values that say which input this is, and not where it lies: equal for an equal input."""

    @property
    def is_remote(self) -> bool:
        """Whether pictures are fetched from URLs, so that many failures are normal."""
        return False

    def tasks(self, rows: Iterable[Any]) -> Iterator[Task]:
        """Tasks of `shard_samples` rows each (plain JSON values, one an input) as ``payload["rows"]``, up to the limit."""
        source = iter(islice(rows, self.config.limit))
        for index, chunk in enumerate(iter(lambda: list(islice(source, self.shard_samples)), [])):
            yield Task(index, len(chunk), {"rows": chunk})


def make_source(config: SourceConfig, *, shard_samples: int) -> Source:
    """The source that a config names, built in or by import path. Raises ConfigError if it cannot be found."""
    path = KINDS.get(config.kind, config.kind)
    cls = find_plugin(path, "source.kind")
    if not (isinstance(cls, type) and issubclass(cls, Source)):
        raise ConfigError(f"source.kind: {path} is not a subclass of pipelines.sources.base.Source")
    return cls(config, shard_samples=shard_samples)


def read_task(source: Reader, task: Task) -> Iterator[Reference | Failure]:
    """`source.read`, with what holds for any source: valid keys, none twice, and only `task.keys` where those are set.

    A wanted key that the source no longer has is a failure. Raises ValueError for an invalid key (a bug in the source).
    """
    wanted = None if task.keys is None else set(task.keys)
    seen: dict[str, int] = {}
    for item in source.read(task):
        check_key(item.key)
        times = seen[item.key] = seen.get(item.key, 0) + 1
        if times > 1:
            item = Failure(
                f"{item.key[:78]}-again{times}", Stage.READ, Reason.DUPLICATE_KEY, f"key {item.key}", item.url
            )
        if wanted is None:
            yield item
        elif item.key in wanted:
            wanted.discard(item.key)
            yield item
    for key in sorted(wanted or ()):
        yield Failure(key, Stage.READ, Reason.UNREADABLE, "the source has no input of this key any more")


def url_identity(url: str) -> str:
    """The `image_id` of a picture known by its URL, so that captions of one picture are not negatives of each other."""
    return "url-" + hashlib.blake2b(url.encode("utf-8", "surrogatepass"), digest_size=8).hexdigest()


def texts(value: Any) -> list[str]:
    """The captions in a cell: a text, or a list of which the texts count."""
    values = value if isinstance(value, list | tuple) else [value]
    return [valid_text(text) for text in values if isinstance(text, str)]
