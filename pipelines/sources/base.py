"""The contract of a source: it plans tasks from its index alone, and reads the inputs of one task."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Mapping
from copy import copy
from dataclasses import dataclass, replace
from itertools import islice
from typing import TYPE_CHECKING, Any, Protocol, Self

from pipelines.sources.kinds import SourceFields
from pipelines.workers.reader import Progress, unwatched
from schemas.errors import ConfigError
from schemas.keys import check_key
from schemas.plugins import find_plugin
from schemas.records import Failure, Reason, Reference, Stage, Task
from schemas.text import valid_or_none, valid_text
from storage.read import MAX_PICTURE_BYTES

if TYPE_CHECKING:
    from pipelines.sources.growth.known import Known


class Reader(Protocol):
    """An object that reads the inputs of a task."""

    def read(self, task: Task) -> Iterator[Reference | Failure]:
        """Yield the inputs of one task, in order."""
        ...


@dataclass(frozen=True, slots=True)
class Loss:
    """The inputs that a reader process took with it, and what is left of their task."""

    keys: tuple[str, ...]
    where: str  # the file, for a message
    rest: Task | None  # the inputs after them; None if there are none, or they cannot be reached


class Source(ABC):
    """One kind of input, of pictures or of videos. Subclasses plan tasks and read one task.

    Objects are small and picklable: they travel to the workers. Results of `plan` travel in `Task.payload`.
    Contract: every input becomes exactly one `Reference` or one `Failure`. Keys are from ``[a-z0-9_-]``,
    unique in the source, the same in every run, and sort in source order.
    """

    def __init__(self, config: SourceFields, *, shard_samples: int) -> None:
        self.config: Any = config  # each kind declares its own class of config
        self.shard_samples = shard_samples
        self.progress: Progress = unwatched

    # Only the first so many files, if set: what there was before further ones came.
    first_files: int | None = None
    # The most bytes of one encoded picture in a file or archive: `limits.picture_bytes`.
    picture_bytes: int = MAX_PICTURE_BYTES

    @abstractmethod
    def plan(self) -> Iterator[Task]:
        """Yield the tasks in source order, streamed from the index; no picture or video is opened.

        Raises ConfigError if nothing is at the address or it is not of this kind, OSError if it cannot be
        read.
        """

    @abstractmethod
    def read(self, task: Task) -> Iterator[Reference | Failure]:
        """Yield the inputs of one task, in order. Raises OSError with the path if the source is gone."""

    def refer(self, task: Task) -> Iterator[Reference | Failure]:
        """Yield the same inputs, less the captions that have a file of their own (`Reference.captions_file`).

        The reader of the picture reads them too, so that one process does not wait for all small files.
        """
        return self.read(task)

    @abstractmethod
    def fingerprint(self) -> dict[str, Any]:
        """Plain values that identify the input, whatever its location: equal for equal inputs."""

    @property
    def can_grow(self) -> bool:
        """Can an output of this source grow? Needs marks on the tasks of `plan`, and `plan_from`."""
        return False

    def plan_from(self, known: Known) -> Iterator[Task]:
        """Yield the tasks of the known segments, whatever has been added since, then those of what is new.

        Keys continue those of the known inputs. Raises as `plan`, and ConfigError if known inputs have
        changed.
        """
        raise NotImplementedError

    def as_before(self, limit: int | None, files: int | None) -> Self:
        """The source with another limit and its first files only."""
        source = copy(self)
        source.config = self.config.model_copy(update={"limit": limit})
        source.first_files = files
        return source

    @property
    def keys_are_row_numbers(self) -> bool:
        """Are keys numbers of rows alone? Then rows must be neither added nor removed before a retry."""
        return False

    @property
    def is_remote(self) -> bool:
        """Are pictures fetched from URLs? Then many failures are normal."""
        return False

    @property
    def plans_apart(self) -> bool:
        """Do `plan`, `fingerprint` and `is_remote` parse bytes that may make a parser spin, crash or grow?

        They run in a reader process with limits then.
        """
        return False

    @property
    def reads_apart(self) -> bool:
        """Does `read` parse such bytes?"""
        return self.plans_apart

    def watch(self, progress: Progress) -> None:
        """Have `progress` hear of the files that are parsed. Called in a reader process."""
        self.progress = progress

    def pieces(self, task: Task) -> Iterator[Task]:
        """The tasks that a task consists of, each of one file. For sources that are read apart."""
        yield task

    def lose(self, task: Task, done: int) -> Loss:
        """Give up the input of a task that ended its reader, the first after `done` others.

        For sources that are read apart.
        """
        raise NotImplementedError

    def close(self) -> None:  # noqa: B027 - most sources keep nothing open
        """Let go of what reading has opened. Called at a worker's end, and to stop it."""

    def tasks(self, rows: Iterable[Any]) -> Iterator[Task]:
        """Pack rows into tasks of `shard_samples`, as ``payload["rows"]``, up to the limit.

        Each row is one input, as plain JSON values.
        """
        source = iter(islice(rows, self.config.limit))
        for index, chunk in enumerate(iter(lambda: list(islice(source, self.shard_samples)), [])):
            yield Task(index, len(chunk), {"rows": chunk})


def make_source(config: SourceFields, *, shard_samples: int) -> Source:
    """Make the source that a config names, built-in or by import path.

    Raises ConfigError, one line, if the class cannot be found or is not a source.
    """
    built_in = config.KINDS.get(config.kind)
    path = config.kind
    if built_in:
        path = built_in.path
    found = find_plugin(path, "source.kind")
    if not (isinstance(found, type) and issubclass(found, Source)):
        raise ConfigError(f"source.kind: {path} is not a subclass of pipelines.sources.base.Source")
    return found(config, shard_samples=shard_samples)


def read_task(source: Reader, task: Task) -> Iterator[Reference | Failure]:
    """Read a task and hold the source to its contract (`checked_inputs`)."""
    return checked_inputs(source.read(task), task)


def checked_inputs(inputs: Iterable[Reference | Failure], task: Task) -> Iterator[Reference | Failure]:
    """The inputs of a task by every source's contract.

    Keys are valid, no key comes twice, and only `task.keys` come if they are set. A wanted key that the
    source no longer has is a failure. Raises ValueError for an invalid key, which is a bug in the source.
    """
    wanted = None
    if task.keys is not None:
        wanted = set(task.keys)
    seen: dict[str, int] = {}
    for item in inputs:
        check_key(item.key)
        times = seen[item.key] = seen.get(item.key, 0) + 1
        if times > 1:
            key = f"{item.key[:78]}-again{times}"
            item = Failure(key, Stage.READ, Reason.DUPLICATE_KEY, f"key {item.key}", item.url)
        if wanted is not None:
            if item.key not in wanted:
                continue
            wanted.discard(item.key)
        if isinstance(item, Reference):
            item = _storable(item)
        yield item
    for key in sorted(wanted or ()):
        yield Failure(key, Stage.READ, Reason.UNREADABLE, "the source has no input of this key any more")


def _storable(reference: Reference) -> Reference:
    """The reference with texts that UTF-8 can hold, as records and KEY.json need."""
    texts = (*reference.captions, reference.url or "", reference.image_id or "")
    if all(map(str.isascii, texts)) and _is_plain(reference.meta):
        return reference
    return replace(
        reference,
        captions=tuple(valid_text(caption) for caption in reference.captions),
        url=valid_or_none(reference.url),
        image_id=valid_or_none(reference.image_id),
        meta=_valid(dict(reference.meta)),
    )


def _is_plain(meta: Mapping[str, Any]) -> bool:
    """Are all values texts that need no change? That is the common case, and costs less than a copy."""
    return all(name.isascii() and isinstance(value, str) and value.isascii() for name, value in meta.items())


def _valid(value: Any) -> Any:
    if isinstance(value, str):
        if value.isascii():
            return value
        return valid_text(value)
    if isinstance(value, dict):
        return {_valid(key): _valid(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_valid(inner) for inner in value]
    return value
