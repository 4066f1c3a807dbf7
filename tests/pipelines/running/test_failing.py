"""A task that fails again and again is set aside: its inputs are failures, and the job goes on."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
from tiny_job import TinyMaker, tiny_job

from pipelines.making.config import ShardConfig
from pipelines.making.task import Done, failed_record, make_task
from pipelines.output.aside import ATTEMPTS, is_placeholder, keep_aside
from pipelines.output.commit import clean
from pipelines.output.folder import Output
from pipelines.output.records import done_tasks, read_record
from pipelines.result import RunResult
from pipelines.running.failing import FailingTasks
from pipelines.running.submit import run_job
from schemas.errors import JobError, OutputError, SickWorkerError
from schemas.manifest import FAILURES_FILE
from schemas.records import Reason, Reference, Task
from storage.tables import iter_rows
from tests.pipelines.running.test_graph import leftovers, shards


@dataclass(frozen=True)
class Stumbling(TinyMaker):
    """Cannot make the tasks that start at these inputs while a file is there, and notes each attempt in it."""

    stones: tuple[int, ...] = ()
    log: str = ""
    attempts: int = 1_000_000  # after which it works
    error: type[Exception] = ValueError
    knows_inputs: bool = True

    def make(self, task, times):
        inputs = super().make(task, times)
        yield next(inputs)
        start = task.payload["start"]
        if start in self.stones and Path(self.log).exists():
            with Path(self.log).open("a") as log:
                log.write(f"{start}\n")
            if Path(self.log).read_text().split().count(str(start)) <= self.attempts:
                raise self.error(f"a stone at {start}")
        yield from inputs

    def inputs(self, task: Task) -> Iterator[Reference]:
        if not self.knows_inputs:
            raise FileNotFoundError("the source is gone")
        for number in range(task.payload["start"], task.payload["start"] + task.payload["count"]):
            yield Reference(f"tiny-{number:06d}", ("a dot",), "tiny", url=f"http://host/{number}")


@pytest.fixture
def log(tmp_path) -> Path:
    path = tmp_path / "log"
    path.touch()
    return path


def run(output: Path, maker: TinyMaker, most: int | None, tasks: int = 4) -> RunResult:
    job = replace(tiny_job(tasks, 5, maker=maker), max_failed_tasks=most)
    return run_job(job, Output(str(output)), workers=1, overwrite=False, max_failure_ratio=1)


def test_a_task_that_always_fails_becomes_failures_and_the_job_goes_on(tmp_path, log, caplog):
    result = run(tmp_path / "clips", Stumbling(stones=(10,), log=str(log)), 1)
    assert (result.written, result.failed, result.totals.inputs, result.totals.off_by) == (15, 5, 20, 0)
    assert result.totals.reasons == {"task_failed": 5}
    assert log.read_text().split() == ["10"] * ATTEMPTS
    rows = [*iter_rows(str(tmp_path / "clips"), FAILURES_FILE)]
    assert [row["key"] for row in rows] == [f"tiny-{number:06d}" for number in range(10, 15)]
    assert {(row["stage"], row["detail"]) for row in rows} == {("task", "a stone at 10")}
    assert rows[0]["url"] == "http://host/10"
    assert "1 task failed 3 times and became failures `task_failed` (task 2)" in caplog.text
    assert not leftovers(tmp_path / "clips")
    assert set(shards(tmp_path / "clips")) == {"00000.tar", "00001.tar", "00003.tar"}


def test_a_task_that_works_at_last_is_whole(tmp_path, log):
    run(tmp_path / "whole", TinyMaker(), 1)
    result = run(tmp_path / "clips", Stumbling(stones=(10,), log=str(log), attempts=2), 1)
    assert (result.written, result.failed) == (20, 0)
    assert shards(tmp_path / "clips") == shards(tmp_path / "whole")


def test_beyond_the_limit_the_job_fails_and_keeps_no_failure(tmp_path, log):
    output = tmp_path / "clips"
    maker = Stumbling(stones=(0, 10), log=str(log))
    with pytest.raises(JobError, match="a stone at"):
        run(output, maker, 1)
    assert not {0, 2} & done_tasks(Output(str(output)))
    assert not leftovers(output)
    log.unlink()
    result = run(output, maker, 1)
    assert result.totals.written == 20, "the same command makes them all"


@pytest.mark.parametrize("most", [0, None])
def test_a_small_job_fails_at_the_first_attempt(tmp_path, log, most):
    with pytest.raises(JobError, match="a stone at 10"):
        run(tmp_path / "clips", Stumbling(stones=(10,), log=str(log)), most)
    assert log.read_text().split() == ["10"]


def test_one_task_in_a_hundred_may_fail_without_a_setting(tmp_path, log):
    result = run(tmp_path / "clips", Stumbling(stones=(10,), log=str(log)), None, tasks=100)
    assert (result.written, result.failed) == (495, 5)


@pytest.mark.parametrize("error", [OutputError, SickWorkerError])
def test_what_is_no_fault_of_the_task_ends_the_job(tmp_path, log, error):
    with pytest.raises(JobError, match="a stone at 10"):
        run(tmp_path / "clips", Stumbling(stones=(10,), log=str(log), error=error), 5)
    assert log.read_text().split() == ["10"]


def test_inputs_that_cannot_be_read_are_counted_all_the_same(tmp_path, log):
    maker = Stumbling(stones=(10,), log=str(log), knows_inputs=False)
    result = run(tmp_path / "clips", maker, 1)
    assert (result.totals.inputs, result.failed, result.totals.off_by) == (20, 5, 0)
    keys = [row["key"] for row in iter_rows(str(tmp_path / "clips"), FAILURES_FILE)]
    assert keys == [f"task-failed-00002-{number:06d}" for number in range(5)]
    assert all(is_placeholder(key) for key in keys)
    guessed = failed_record(Task(7, 5000, {}, exact=False), maker, "f", ValueError("x"))
    assert guessed.rows["key"].to_pylist() == ["task-failed-00007-000000"], (
        "one for a number that is not known"
    )
    again = failed_record(Task(7, 5, {}, keys=("b", "c")), maker, "f", ValueError("x"))
    assert again.rows["key"].to_pylist() == ["b", "c"]


class Worker:
    """One worker process of a cluster: a failed bundle is tried again by another one."""

    def __init__(self, output: Output, maker: Stumbling, most: int | None) -> None:
        self.output, self.maker = output, maker
        self.failing = FailingTasks(output, maker, "f", most, retries=True)

    def make(self, index: int) -> Done:
        task = Task(index, 5, {"start": 5 * index, "count": 5})
        return self.failing.make(
            task,
            lambda *_: False,
            lambda task, watch: make_task(
                task, self.maker, self.output, ShardConfig(), "f", watch=watch  # type: ignore[arg-type]
            ),
        )  # fmt: skip


def test_the_last_attempt_is_left_to_another_process(tmp_path, log):
    output, maker = Output(str(tmp_path / "clips")), Stumbling(stones=(10,), log=str(log))
    with pytest.raises(ValueError, match="a stone at 10"):
        Worker(output, maker, 1).make(2)
    assert len(log.read_text().split()) == ATTEMPTS - 1
    done = Worker(output, maker, 1).make(2)
    assert done.reasons == {Reason.TASK_FAILED: 5}
    assert read_record(output, 2).failed == 5
    assert keep_aside(output) == [2]
    clean(output)
    assert done_tasks(output) == {2}
    assert keep_aside(output) == []


def test_a_job_that_is_killed_keeps_no_failed_task(tmp_path, log):
    output, maker = Output(str(tmp_path / "clips")), Stumbling(stones=(10,), log=str(log))
    with pytest.raises(ValueError, match="a stone at 10"):
        Worker(output, maker, 1).make(2)
    Worker(output, maker, 1).make(2)
    assert done_tasks(output) == {2}
    clean(output)
    assert done_tasks(output) == set()


def test_a_sick_process_makes_no_second_attempt(tmp_path, log):
    output = Output(str(tmp_path / "clips"))
    maker = Stumbling(stones=(10,), log=str(log), error=SickWorkerError)
    for _ in range(ATTEMPTS - 1):
        with pytest.raises(SickWorkerError):
            Worker(output, maker, 1).make(2)
    assert Worker(output, maker, 1).make(2).reasons == {Reason.TASK_FAILED: 5}


def test_workers_at_the_same_moment_stay_within_the_limit(tmp_path, log):
    output, maker = Output(str(tmp_path / "clips")), Stumbling(stones=(0, 5, 10), log=str(log))
    workers = [Worker(output, maker, 2) for _ in range(3)]
    for index, worker in enumerate(workers):
        with pytest.raises(ValueError, match="a stone"):
            worker.make(index)
    assert [workers[index].make(index).reasons for index in (0, 1)] == [{Reason.TASK_FAILED: 5}] * 2
    with pytest.raises(ValueError, match="a stone"):
        workers[2].make(2)
    assert keep_aside(output) == [0, 1]


def test_a_task_that_was_made_after_all_keeps_its_record(tmp_path, log):
    output, maker = Output(str(tmp_path / "clips")), Stumbling(stones=(10,), log=str(log))
    run(tmp_path / "clips", TinyMaker(), 1)
    with pytest.raises(ValueError, match="a stone at 10"):
        Worker(output, maker, 1).make(2)
    Worker(output, maker, 1).make(2)
    clean(output)
    assert read_record(output, 2).written == 5
