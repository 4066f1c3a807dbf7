"""A source whose parsers run in reader processes with limits.

Hostile bytes can make the parsers of archives, JSON and Parquet spin, crash or take all memory. Here that
costs the inputs concerned, which become failures, or one line at planning that names the file.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from typing import Any, Self

from pipelines.sources.base import Source
from pipelines.sources.growth.known import Known
from pipelines.workers.config import SampleLimits
from pipelines.workers.streams import ReaderLostError, Readers
from schemas.errors import ConfigError
from schemas.records import Failure, Reference, SampleError, Stage, Task
from storage.login import get_options, set_options
from transforms.media.formats.sniff import HEAD_BYTES, sniff


def with_limits(source: Source, limits: SampleLimits) -> Source:
    """The source, its parsers in processes with these limits where it has any that need them."""
    source.picture_bytes = limits.picture_bytes
    if source.plans_apart or source.reads_apart:
        return _LimitedSource(source, limits)
    return source


class _LimitedSource(Source):
    """The same tasks and inputs as the source's own. Picklable."""

    def __init__(self, source: Source, limits: SampleLimits) -> None:
        super().__init__(source.config, shard_samples=source.shard_samples)
        self._source, self._limits = source, limits
        self._is_remote: bool | None = None
        self._can_grow: bool | None = None
        self._readers = Readers(_Target(source), limits)

    def __getstate__(self) -> dict[str, Any]:
        return {name: value for name, value in self.__dict__.items() if name != "_readers"}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self._readers = Readers(_Target(self._source), self._limits)

    @property
    def keys_are_row_numbers(self) -> bool:
        """As the source says."""
        return self._source.keys_are_row_numbers

    @property
    def is_remote(self) -> bool:
        """As the source says. Raises as `plan`."""
        if self._is_remote is None:
            (self._is_remote,) = self._planning("ask", "is_remote")
        return self._is_remote

    def fingerprint(self) -> dict[str, Any]:
        """The source's own. Raises as `plan`."""
        (found,) = self._planning("ask", "fingerprint")
        return dict(found)

    def plan(self) -> Iterator[Task]:
        """The source's tasks. Raises ConfigError that names the file whose parser broke a limit."""
        return self._planning("plan")

    @property
    def can_grow(self) -> bool:
        """As the source says. Raises as `plan`."""
        if self._can_grow is None:
            (self._can_grow,) = self._planning("ask", "can_grow")
        return self._can_grow

    def plan_from(self, known: Known) -> Iterator[Task]:
        """The source's tasks. Raises as `plan`."""
        return self._planning("plan_from", known)

    def as_before(self, limit: int | None, files: int | None) -> Self:
        """The source with another limit and its first files only, within the same limits."""
        return type(self)(self._source.as_before(limit, files), self._limits)

    def read(self, task: Task) -> Iterator[Reference | Failure]:
        """The task's inputs. Those whose parser broke a limit are failures."""
        if not self._source.reads_apart:
            yield from self._source.read(task)
            return
        for piece in self._source.pieces(task):
            yield from self._read_piece(piece)

    def _read_piece(self, task: Task) -> Iterator[Reference | Failure]:
        left: Task | None = task
        done, singly = 0, False
        while left is not None:
            try:
                for item in self._readers.stream("read_from", left, done, singly=singly):
                    yield item
                    done += 1
                return
            except ReaderLostError as lost:
                if not singly:  # some results may have been on their way: find the one that ends readers
                    singly = True
                    continue
                loss = self._source.lose(left, done)
                detail = f"{loss.where}: {lost.detail}"
                for key in loss.keys:
                    yield Failure(key, Stage.READ, lost.reason, detail)
                left, done, singly = loss.rest, 0, False

    def close(self) -> None:
        """End the readers."""
        self._readers.close()
        self._source.close()

    def _planning(self, method: str, *arguments: Any) -> Iterator[Any]:
        done = 0
        try:
            for item in self._call(method, *arguments):
                yield item
                done += 1
            return
        except ReaderLostError as lost:
            if not lost.was_killed:
                raise self._at_planning(lost) from None
        try:  # once more: the file may be innocent
            yield from islice(self._call(method, *arguments), done, None)
        except ReaderLostError as lost:
            raise self._at_planning(lost) from None

    def _call(self, method: str, *arguments: Any) -> Iterator[Any]:
        if self._source.plans_apart:
            return self._readers.stream(method, *arguments)
        results: Iterator[Any] = getattr(_Target(self._source), method)(*arguments)
        return results

    def _at_planning(self, lost: ReaderLostError) -> ConfigError:
        where = lost.file or getattr(self.config, "uri", None) or self.config.annotations
        return ConfigError(
            f"source: {where}: reading it {lost.detail}; leave it out, repair it, or raise the limit"
        )


class _Target:
    """The methods that a reader process calls."""

    def __init__(self, source: Source) -> None:
        self._source = source

    def __getstate__(self) -> dict[str, Any]:
        return {"source": self._source, "stores": get_options()}  # a reader reads from the same stores

    def __setstate__(self, state: dict[str, Any]) -> None:
        self._source = state["source"]
        set_options(state["stores"])

    def watch(self, progress: Any) -> None:
        """Have the source report its files."""
        self._source.watch(progress)

    def plan(self) -> Iterator[Task]:
        """The tasks."""
        return self._source.plan()

    def plan_from(self, known: Known) -> Iterator[Task]:
        """The tasks of a source that has grown."""
        return self._source.plan_from(known)

    def read_from(self, task: Task, done: int) -> Iterator[Reference | Failure]:
        """The inputs of a task, without the first `done`."""
        for number, item in enumerate(self._source.read(task)):
            if number < done:
                continue
            if isinstance(item, Reference) and item.image:
                yield _refused(item)
            else:
                yield item

    def ask(self, name: str) -> Iterator[Any]:
        """The value of a property, or of a method without arguments."""
        value = getattr(self._source, name)
        if callable(value):
            value = value()
        yield value


def _refused(item: Reference) -> Reference | Failure:
    """The input, or its failure if its first bytes are no picture's: then its bytes go nowhere."""
    try:
        sniff((item.image or b"")[:HEAD_BYTES])
    except SampleError as error:
        return error.failure(item.key, item.url)
    return item
