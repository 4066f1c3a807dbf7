"""The protocol of a maker of samples, a finished sample, and the times of its stages.

Imports no Beam.
"""

from __future__ import annotations

import io
import pickle
import tarfile
import threading
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Protocol, Self, runtime_checkable

from schemas.records import Failure, Task
from schemas.text import valid_text
from storage.shards.write import sample_tar


@dataclass(frozen=True, slots=True)
class Made:
    """A sample, ready to be written.

    The worker that makes it frames it for the shard, so that the job's own process only writes.
    """

    key: str
    tar: bytes | memoryview  # its members as they are in the shard
    size: int  # bytes of all members
    row: Mapping[str, Any]  # columns of SAMPLES, less key, shard and bytes

    @classmethod
    def of(cls, key: str, members: Mapping[str, bytes], row: Mapping[str, Any]) -> Self:
        """Frame `members`: extension after the key -> bytes, in the order of the shard.

        Texts of `row` become valid UTF-8. Raises ValueError for what a tar cannot hold.
        """
        valid = dict(row)
        for name, value in row.items():
            if isinstance(value, str):
                valid[name] = valid_text(value)
        return cls(key, sample_tar(key, members), sum(map(len, members.values())), valid)

    def members(self) -> dict[str, bytes]:
        """Extension -> bytes, read back from the frame."""
        with tarfile.open(fileobj=io.BytesIO(self.tar)) as tar:
            files = {info.name[len(self.key) + 1 :]: tar.extractfile(info) for info in tar}
            return {extension: file.read() for extension, file in files.items() if file is not None}

    def __reduce__(self) -> tuple[type[Self], tuple[Any, ...]]:
        return type(self), (self.key, pickle.PickleBuffer(self.tar), self.size, self.row)


class Maker(Protocol):
    """Turns a task into samples.

    Picklable: it is sent to the workers, and opens what it needs there in `setup`. It may have a further
    method ``inputs(task)`` that yields the task's inputs as `pipelines.sources.base.read_task` does. Then the
    failures of a task that is set aside have the keys of its inputs.
    """

    def setup(self) -> None:
        """Called once per worker, before the first task. Heavy imports, pools, models."""

    def make(self, task: Task, times: StageTimes) -> Iterator[Made | Failure]:
        """One item per input, in input order. May run for several tasks at a time, in threads of one process.

        Raises OSError only if the source itself has gone: that ends the job. An input that goes wrong is a
        Failure.
        """

    def close(self) -> None:
        """Called once per worker, at its end."""


@runtime_checkable
class Interruptible(Protocol):
    """A maker that can be stopped within a sample."""

    def interrupt(self) -> None:
        """End every call of `make` that is under way, from another thread. They may raise anything."""


@runtime_checkable
class Sharing(Protocol):
    """A maker with limits that hold over all Beam workers of a job."""

    def shared_by(self, workers: int | None, where: str) -> Maker:
        """The maker of one of so many workers.

        `workers` is None if the runner does not say their number; `where` describes the runner. Raises
        ConfigError if the limits cannot be shared.
        """


class StageTimes:
    """Seconds that each sample took in each stage; any thread may add."""

    def __init__(self) -> None:
        self._seconds: dict[str, list[float]] = {}
        self._lock = threading.Lock()

    @contextmanager
    def timed(self, stage: str) -> Iterator[None]:
        """Time a block as one sample's stage."""
        start = time.perf_counter()
        try:
            yield
        finally:
            self.add(stage, time.perf_counter() - start)

    def add(self, stage: str, seconds: float) -> None:
        """Add one sample's time in one stage."""
        with self._lock:
            self._seconds.setdefault(stage, []).append(seconds)

    def add_all(self, times: Iterable[tuple[str, float]]) -> None:
        """Add what a worker process measured: pairs of stage and seconds."""
        with self._lock:
            for stage, seconds in times:
                self._seconds.setdefault(stage, []).append(seconds)

    def seconds(self) -> dict[str, list[float]]:
        """Everything added so far, one list per stage."""
        with self._lock:
            return {stage: list(values) for stage, values in self._seconds.items()}
