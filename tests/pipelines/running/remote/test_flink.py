"""A job on a Flink cluster by its name, through the REST interface."""

from __future__ import annotations

import pytest
from apache_beam.options.pipeline_options import PipelineOptions, PortableOptions
from job_manager import JobManager, run_job_manager

from pipelines.running.remote.flink import KEPT_MS, FlinkJob, cancel, keep_workers


@pytest.fixture
def manager():
    with run_job_manager() as running:
        yield running


@pytest.mark.parametrize(
    ("flink", "beam"),
    [
        ("CREATED", "RUNNING"),
        ("RESTARTING", "RUNNING"),
        ("FINISHED", "DONE"),
        ("FAILED", "FAILED"),
        ("CANCELED", "CANCELLED"),
    ],
)
def test_states_are_those_of_beam(manager: JobManager, flink, beam):
    manager.add("ours", flink)
    assert FlinkJob("ours", manager.master).state() == beam


def test_a_job_that_the_cluster_does_not_know_is_unknown(manager: JobManager):
    manager.add("another", "RUNNING")
    job = FlinkJob("ours", manager.master)
    assert job.state() == "UNKNOWN"
    assert "does not know" in job.failure()
    job.cancel()
    assert manager.jobs[0]["state"] == "RUNNING"


def test_the_newest_job_of_a_name_counts(manager: JobManager):
    manager.cause = "JobError: the disk is full"
    for state in ("FAILED", "RUNNING"):
        manager.add("ours", state)
    job = FlinkJob("ours", f"http://{manager.master}")
    assert job.state() == "RUNNING"
    assert job.failure() == "JobError: the disk is full"
    job.cancel()
    assert job.state() == "CANCELLED"


@pytest.mark.parametrize("status", [404, 409])
def test_a_part_that_ends_before_it_is_cancelled_does_not_save_the_others(manager: JobManager, status):
    for number in range(3):
        manager.add(f"ours-part000{number}", "RUNNING")
    manager.ending["id-1"] = status
    FlinkJob("ours", manager.master).cancel()
    assert {job["state"] for job in manager.jobs} == {"CANCELED"}


def test_a_cluster_that_cannot_cancel_is_an_error(manager: JobManager):
    manager.add("ours", "RUNNING")
    manager.ending["id-0"] = 500
    with pytest.raises(OSError, match="500"):
        FlinkJob("ours", manager.master).cancel()


def test_cancel_waits_for_the_job_of_the_options(manager: JobManager):
    manager.add("ours", "RUNNING")
    cancel(PipelineOptions([f"--flink_master={manager.master}", "--job_name=ours"]), 5)
    assert manager.jobs[0]["state"] == "CANCELED"


def test_a_cluster_inside_the_job_server_needs_no_cancelling():
    cancel(PipelineOptions(["--flink_master=[auto]", "--job_name=ours"]), 5)


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        (["--runner=FlinkRunner"], KEPT_MS),
        (["--runner=FlinkRunner", "--environment_cache_millis=70"], 70),
        (["--runner=SparkRunner"], 0),
        ([], 0),
    ],
)
def test_workers_are_kept_between_stages_on_flink_alone(given, kept):
    options = PipelineOptions(given)
    keep_workers(options)
    assert int(options.view_as(PortableOptions).environment_cache_millis) == kept
