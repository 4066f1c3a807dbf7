"""Every interleaving of attempts at one task, with kills and lost answers: one record, and the shard it
describes.

Attempts run in threads that stop before each change of the output. Hypothesis decides which of them
continues, and what happens to its request: it is carried out, refused, carried out with its answer lost, or
its process is killed.
"""

from __future__ import annotations

import hashlib
import itertools
import queue
import tempfile
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any
from unittest import mock

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tiny_job import ROW

from pipelines.making.config import ShardConfig
from pipelines.making.maker import Made
from pipelines.making.task import make_task
from pipelines.output import commit as commit_module
from pipelines.output.commit import clean, commit, remove_temporary, settle_all
from pipelines.output.folder import Output
from pipelines.output.listing import list_output
from pipelines.output.lost import forget_lost
from pipelines.output.prepare import _remove_strays
from pipelines.output.records import read_head
from pipelines.output.retries import Retries
from schemas.records import Task
from storage.find import find_under
from storage.read import file_exists, read_bytes

CHANGES = ("create_exclusively", "move_file", "remove_tree", "remove_empty_folder")
FATES = ("carried out", "refused", "answer lost", "killed before", "killed after")
TASK = Task(0, 4, {})
_places = itertools.count()


class Killed(BaseException):
    """The end of a process."""


@dataclass(frozen=True)
class Web:
    """A maker whose pictures are others at every attempt, of the same size."""

    mark: int

    def setup(self) -> None: ...

    def close(self) -> None: ...

    def make(self, task: Task, times: object) -> Iterator[Made]:
        for number in range(task.samples):
            yield Made.of(
                f"k-{number:06d}", {"jpg": bytes([self.mark]) * 100, "txt": b"t", "json": b"{}"}, ROW
            )


@dataclass
class Process:
    """A thread that stops at each change and waits for its fate."""

    body: Callable[[], None]
    fates: queue.Queue[str] = field(default_factory=queue.Queue)
    stopped: threading.Event = field(default_factory=threading.Event)
    ended: bool = False
    failed: bool = False

    def start(self) -> None:
        threading.Thread(target=self._run, daemon=True).start()
        self._wait()

    def go_on(self, fate: str) -> None:
        self.stopped.clear()
        self.fates.put(fate)
        self._wait()

    def _wait(self) -> None:
        assert self.stopped.wait(30), "a thread hangs"

    def _run(self) -> None:
        _current.process = self
        try:
            self.body()
        except Killed:
            pass
        except Exception:
            self.failed = True
        finally:
            self.ended = True
            self.stopped.set()

    def change(self, real: Callable[..., Any], *arguments: Any) -> Any:
        self.stopped.set()
        fate = self.fates.get()
        if fate == "killed before":
            raise Killed
        if fate == "refused":
            raise OSError("503")
        result = real(*arguments)
        if fate == "killed after":
            raise Killed
        if fate == "answer lost":
            raise OSError("the connection was reset")
        return result


_current = threading.local()


def gated(name: str) -> Any:
    real = getattr(commit_module, name)

    def call(*arguments: Any) -> Any:
        process = getattr(_current, "process", None)
        return real(*arguments) if process is None else process.change(real, *arguments)

    return mock.patch.object(commit_module, name, call)


def check(output: Output) -> None:
    """Whatever happened so far: no shard without a record, and no shard that its record does not describe."""
    if not file_exists(output.record_path(0)):
        assert not file_exists(output.path("00000.tar"))
        return
    (row,) = read_head(output, 0).shards
    if file_exists(output.path("00000.tar")):
        assert hashlib.sha256(read_bytes(output.path("00000.tar"))).hexdigest() == row.sha256


def attempt(output: Output, mark: int) -> Callable[[], None]:
    def body() -> None:
        commit(output, make_task(TASK, Web(mark), output, ShardConfig(), "f").attempt)

    return body


def later_run(output: Output, mark: int) -> Callable[[], None]:
    def body() -> None:
        listing = list_output(output)
        settle_all(output, listing)
        remove_temporary(output, listing)
        forget_lost(output, listing, (), Retries(), 1000)
        _remove_strays(output, listing)
        if 0 not in listing.done:
            attempt(output, mark)()
        settle_all(output, list_output(output))
        clean(output)

    return body


@pytest.mark.parametrize("store", ["disk", "memory"])
@settings(max_examples=120, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(data=st.data())
def test_one_record_and_its_shard_whatever_happens(store, data):
    with (
        tempfile.TemporaryDirectory() as folder,
        gated(CHANGES[0]),
        gated(CHANGES[1]),
        gated(CHANGES[2]),
        gated(CHANGES[3]),
    ):
        output = Output(f"{folder}/out" if store == "disk" else f"memory://states-{next(_places)}/out")
        marks = itertools.count(1)
        live = [Process(attempt(output, next(marks))) for _ in range(data.draw(st.integers(1, 3)))]
        for process in live:
            process.start()
        while live := [process for process in live if not process.ended]:
            process = data.draw(st.sampled_from(live))
            process.go_on(data.draw(st.sampled_from(FATES)))
            check(output)
        committed = read_head(output, 0).attempt if file_exists(output.record_path(0)) else None
        for fates in (
            FATES,
            FATES,
            FATES[:1],
        ):  # two more runs that anything may hit, and one that nothing does
            run = Process(later_run(output, next(marks)))
            run.start()
            while not run.ended:
                run.go_on(data.draw(st.sampled_from(fates)))
                check(output)
        assert not run.failed
        assert committed in (None, read_head(output, 0).attempt), "what was committed is not made again"
        names = sorted(file.path.removeprefix(output.uri + "/") for file in find_under(output.uri))
        assert names == ["00000.tar", "_zoetrope/records/00000.parquet"]
