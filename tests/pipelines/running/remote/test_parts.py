"""A job on a Flink cluster in parts: submitted as slots become free, followed, cancelled."""

from __future__ import annotations

import signal
import tempfile
import time
from functools import partial

import pytest
from apache_beam.options.pipeline_options import PipelineOptions
from apache_beam.transforms import environments
from job_manager import JobManager, run_job_manager
from waiting import wait_until

from pipelines.output.job import TaskAt
from pipelines.running.engine import choose_runner
from pipelines.running.remote import job, parts
from pipelines.running.remote.flink import FlinkJob
from pipelines.running.remote.held import held_signals
from pipelines.running.remote.parts import PartsRun, slots_of
from schemas.errors import StillRunningError

FLINK = ["--runner=FlinkRunner", "--job_endpoint=127.0.0.1:1", "--environment_type=EXTERNAL"]


@pytest.fixture
def manager(monkeypatch):
    monkeypatch.setattr(parts, "LOOK_SECONDS", 0.01)
    with run_job_manager() as running:
        yield running


class Pipeline:
    """Stands for Beam's pipeline: it adds a job to the JobManager."""

    def __init__(self, manager: JobManager, tasks: list[TaskAt], options) -> None:
        self.manager, self.tasks = manager, tasks
        self.options = options.get_all_options()

    def run(self) -> Pipeline:
        self.manager.add(self.options["job_name"], "RUNNING")
        return self

    state = "RUNNING"


def started(
    manager: JobManager, count: int, slots: int, *more: str, last: bool = False
) -> tuple[PartsRun, list[Pipeline]]:
    run, made = prepared(manager, count, slots, *more, last=last)
    run.submit()
    run.start()
    return run, made


def prepared(
    manager: JobManager, count: int, slots: int, *more: str, last: bool = False
) -> tuple[PartsRun, list[Pipeline]]:
    made: list[Pipeline] = []

    def build(tasks, options):
        made.append(Pipeline(manager, tasks, options))
        return made[-1]

    choice = choose_runner([*FLINK, f"--flink_master={manager.master}", f"--parallelism={slots}", *more], 1)
    tasks = [[TaskAt("plan", 10 * number, 10)] for number in range(count)]
    run = PartsRun(
        [partial(build, some) for some in tasks], choice, last=partial(build, []) if last else None
    )
    return run, made


def test_parts_follow_one_another_as_slots_become_free(manager: JobManager):
    run, made = started(manager, 3, 2, "--job_name=mine")
    assert len(made) == 2, "one per slot"
    time.sleep(0.05)
    assert len(made) == 2
    manager.jobs[1]["state"] = "FINISHED"
    wait_until(lambda: len(manager.jobs) == 3)
    assert not run.ended.is_set()
    for each in manager.jobs:
        each["state"] = "FINISHED"
    assert run.ended.wait(30)
    assert run.error is None
    assert [pipeline.tasks[0].start for pipeline in made] == [0, 10, 20]
    assert all(pipeline.options["parallelism"] == 1 for pipeline in made)
    names = [pipeline.options["job_name"] for pipeline in made]
    assert run.remote is not None
    assert names == [f"{run.remote.id}-part000{number}" for number in range(3)]
    assert run.remote.id.startswith("mine-")


def test_a_part_that_fails_ends_the_others(manager: JobManager):
    run, made = started(manager, 9, 3)
    manager.cause = "JobError: task 7 is broken"
    manager.jobs[1]["state"] = "FAILED"
    assert run.ended.wait(30)
    assert str(run.error) == "JobError: task 7 is broken"
    assert {each["state"] for each in manager.jobs} == {"FAILED", "CANCELED"}
    assert len(made) == 3, "no further one is submitted"


def test_the_cause_of_a_failure_is_kept_if_the_others_cannot_be_cancelled(manager: JobManager):
    run, _ = started(manager, 9, 3)
    manager.cause = "JobError: task 7 is broken"
    manager.ending = {f"id-{number}": 500 for number in range(3)}
    manager.jobs[1]["state"] = "FAILED"
    assert run.ended.wait(30)
    assert str(run.error) == "JobError: task 7 is broken"


def test_files_that_beam_makes_to_hand_in_a_part_are_removed(manager: JobManager, tmp_path, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    made = []

    def run(self):
        options = PipelineOptions(["--runner=PortableRunner", "--requirements_cache=skip"])
        made.extend(environments.python_sdk_dependencies(options))
        manager.add(self.options["job_name"], "FINISHED")
        return self

    monkeypatch.setattr(Pipeline, "run", run)
    started(manager, 1, 2)
    assert made
    assert not list(tmp_path.iterdir())


def test_ctrl_c_cancels_every_part(manager: JobManager):
    run, made = started(manager, 9, 3)
    assert run.stop(None)
    assert [each["state"] for each in manager.jobs] == ["CANCELED"] * 3
    assert len(made) == 3


def test_ctrl_c_while_a_part_is_submitted_cancels_that_part(manager: JobManager, monkeypatch):
    run, made = prepared(manager, 9, 3)
    add = manager.add

    def slowly(name: str, state: str) -> None:
        signal.raise_signal(signal.SIGINT)
        add(name, state)

    monkeypatch.setattr(manager, "add", slowly)
    with pytest.raises(KeyboardInterrupt), held_signals(run.submit_no_more):
        run.submit()
    run.start()
    assert run.stop(None)
    assert [each["state"] for each in manager.jobs] == ["CANCELED"]
    assert len(made) == 1, "no further one is submitted"


def test_a_job_manager_that_is_out_of_sight_is_asked_again(manager: JobManager, monkeypatch):
    monkeypatch.setattr(job, "PATIENCE_SECONDS", 0.2)
    run, _ = started(manager, 2, 2)
    monkeypatch.setattr(manager, "answer", lambda *_: 1 / 0)
    assert run.ended.wait(30)
    assert isinstance(run.error, StillRunningError)
    assert run.remote is not None
    assert run.remote.id in str(run.error)


def test_the_parts_of_a_job_are_found_by_its_name(manager: JobManager):
    for name, state in (("a-part0000", "FINISHED"), ("a-part0001", "RUNNING"), ("ab-part0000", "FAILED")):
        manager.add(name, state)
    found = FlinkJob("a", manager.master)
    assert found.parts() == {"a-part0000": "DONE", "a-part0001": "RUNNING"}
    assert found.state() == "RUNNING"
    found.cancel()
    assert found.state() == "CANCELLED", "a part was cancelled, so the job is not whole"
    assert [each["state"] for each in manager.jobs] == ["FINISHED", "CANCELED", "FAILED"]


@pytest.mark.parametrize(
    ("options", "slots"),
    [
        ([*FLINK, "--flink_master=host:8081", "--parallelism=4"], 4),
        ([*FLINK, "--flink_master=host:8081"], 0),
        ([*FLINK, "--parallelism=4"], 0),  # a cluster inside the job server
        (["--runner=FlinkRunner", "--flink_master=host:8081", "--parallelism=4"], 0),  # no job server yet
        (["--runner=SparkRunner", "--job_endpoint=127.0.0.1:1"], 0),
    ],
)
def test_only_a_cluster_with_a_job_server_that_stays_up_gets_parts(options, slots):
    assert slots_of(choose_runner(options, 1)) == slots


def test_a_large_cluster_gets_parts_of_several_slots(manager: JobManager):
    _, made = started(manager, 100, 512)
    assert len(made) == 64
    assert made[0].options["parallelism"] == 8


def test_the_tables_are_folded_on_all_slots_once_every_part_is_done(manager: JobManager):
    run, made = started(manager, 2, 2, last=True)
    manager.jobs[0]["state"] = "FINISHED"
    time.sleep(0.1)
    assert len(made) == 2
    manager.jobs[1]["state"] = "FINISHED"
    wait_until(lambda: len(manager.jobs) == 3)
    assert (made[2].tasks, made[2].options["parallelism"]) == ([], 2)
    assert not run.ended.is_set()
    manager.jobs[2]["state"] = "FINISHED"
    assert run.ended.wait(30)
