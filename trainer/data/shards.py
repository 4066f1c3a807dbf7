"""The shards of a run: their names, their number of samples, and reading ahead of the decoder."""

from __future__ import annotations

import queue
import threading
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

from schemas.errors import ConfigError
from schemas.text import one_line
from storage.shards.read import RawSample, ShardError, iter_shard
from storage.tables import expand_shards, read_manifest

Policy = Literal["skip", "error"]
_END = object()


@dataclass(frozen=True)
class ShardSet:
    """Shards in name order, and the samples that their manifests promise (None without a manifest)."""

    uris: tuple[str, ...]
    samples: int | None

    @classmethod
    def find(cls, patterns: str | Sequence[str]) -> ShardSet:
        """Expand folders, globs and brace ranges.

        Raises ConfigError if a pattern matches nothing or a shard comes twice.
        """
        if isinstance(patterns, str):
            patterns = [patterns]
        try:
            uris = [uri for pattern in patterns for uri in expand_shards(pattern)]
        except (ValueError, OSError, ImportError) as error:  # the last: a scheme whose package is absent
            raise ConfigError(one_line(error)) from None
        twice = [uri for uri, count in Counter(uris).items() if count > 1]
        if twice:
            raise ConfigError(f"shards: {twice[0]} is named twice; name each shard once")
        return cls(tuple(uris), _count(uris))


def _count(uris: Sequence[str]) -> int | None:
    """Sum up the samples by the manifest of each folder."""
    total = 0
    rows: dict[str, dict[str, int]] = {}
    for uri in uris:
        folder, _, name = uri.rpartition("/")
        if folder not in rows:
            try:
                rows[folder] = {row.shard: row.samples for row in read_manifest(folder or ".")}
            except FileNotFoundError:
                return None
        if name not in rows[folder]:
            return None
        total += rows[folder][name]
    return total


@dataclass(frozen=True, slots=True)
class Dropped:
    """A sample that could not be used, and why; with an empty key, the rest of a shard."""

    shard: str
    key: str
    reason: str

    def __str__(self) -> str:
        if not self.key:
            return f"{self.shard}: {self.reason}"
        return f"{self.shard}: {self.key}: {self.reason}"


def read_shards(
    uris: Iterable[str], *, policy: Policy, on_broken: Callable[[Dropped], None]
) -> Iterator[RawSample]:
    """Yield the samples of shards in order.

    A shard that is truncated, corrupt, missing or empty is an error under the policy ``error``. The policy
    ``skip`` yields its readable samples and passes the reason to `on_broken`.
    """
    for uri in uris:
        count = 0
        try:
            for sample in iter_shard(uri):
                count += 1
                yield sample
            if not count:
                raise ShardError(f"{uri}: no samples in it")
        except (ShardError, OSError) as error:
            reason = one_line(error).removeprefix(f"{uri}: ")
            if policy == "error":
                raise ShardError(f"{uri}: {reason} (data.broken_shards=skip skips the rest of it)") from error
            on_broken(Dropped(uri, "", reason))


def read_ahead(samples: Iterator[RawSample], depth: int) -> Iterator[RawSample]:
    """Read by a thread, up to `depth` samples ahead, so that the network works while pictures are decoded."""
    if depth < 1:
        yield from samples
        return
    ready: queue.Queue[object] = queue.Queue(depth)
    stop = threading.Event()

    def offer(item: object) -> bool:
        while not stop.is_set():
            try:
                # A queue cannot be closed, so look now and then whether its reader has gone.
                ready.put(item, timeout=0.1)
                return True
            except queue.Full:
                continue
        return False

    def work() -> None:
        try:
            for sample in samples:
                if not offer(sample):
                    return
            offer(_END)
        except BaseException as error:  # handed to the reader, who raises it
            offer(error)

    thread = threading.Thread(target=work, name="read-ahead", daemon=True)
    thread.start()
    try:
        while (item := ready.get()) is not _END:
            if isinstance(item, BaseException):
                raise item
            assert isinstance(item, RawSample)  # noqa: S101 - narrows the type
            yield item
    finally:
        stop.set()
