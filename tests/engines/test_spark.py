"""Jobs on a real Spark cluster give the bytes of the direct runner, whatever is killed meanwhile."""

from __future__ import annotations

import json
import os
import shutil
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
from engine_runs import (
    ONE_WORKER,
    ROOT,
    at_work,
    finish,
    held_jobs,
    job_holder,
    on_loopback_alone,
    start,
    wait_for,
    wait_for_the_middle,
    wait_while,
    write_source,
    written_records,
)

from clusters import supervisor
from clusters.jars import EngineError, java_options
from clusters.pools import free_port, group_alive, is_listening
from clusters.spark import ClusterConfig, down, find_runner, find_spark, status, up
from tests.engines.test_prism import check_same

pytestmark = [
    pytest.mark.spark,
    pytest.mark.skipif(shutil.which("java") is None, reason="no java on the PATH"),
]


@pytest.fixture(scope="module")
def holder(tmp_path_factory) -> Iterator[Path]:
    """The file that holds jobs."""
    with job_holder(tmp_path_factory.mktemp("hold")) as path:
        yield path


@pytest.fixture(scope="module")
def cluster(holder, tmp_path_factory) -> Iterator[ClusterConfig]:
    try:
        find_spark()
        find_runner()
        java_options()
    except EngineError as error:
        pytest.skip(str(error))
    ports = {
        "master_port": free_port(),
        "ui_port": free_port(),
        "pool_port": free_port(),
        "job_port": free_port(),
    }
    # One task at a time in each worker: every task of every stage starts a Python worker, which takes seconds.
    config = ClusterConfig(cores=1, state=tmp_path_factory.mktemp("spark"), **ports)
    up(config)
    groups = supervisor.processes(config.state)
    yield config
    groups |= supervisor.processes(config.state)
    down(config)
    assert not any(group_alive(group) for group in groups.values())
    assert not any(is_listening(port) for port in config.ports)


@pytest.fixture(scope="module")
def beam(cluster) -> list[str]:
    """The file that users take, with this cluster's ports."""
    places = [
        f"--job_endpoint=127.0.0.1:{cluster.job_port}",
        f"--environment_config=127.0.0.1:{cluster.pool_port}",
    ]
    return ["--runner-config", str(ROOT / "configs" / "runners" / "spark.yaml"), "--", *places]


@pytest.fixture(scope="module")
def source(tmp_path_factory) -> Path:
    return write_source(tmp_path_factory.mktemp("corpus") / "photos")


@pytest.fixture(scope="module")
def direct(source, holder, tmp_path_factory) -> Path:
    output = tmp_path_factory.mktemp("direct") / "clips"
    finish(start(source, output, "workers=2"))
    return output


@pytest.fixture
def hold(direct, holder) -> Iterator[Path]:
    """The file that holds jobs, which is there."""
    with held_jobs(holder):
        yield holder


def test_shards_are_those_of_the_direct_runner(beam, cluster, source, direct, hold, tmp_path):
    job = start(source, tmp_path / "clips", *beam)
    wait_for_the_middle(job, tmp_path / "clips", ONE_WORKER)
    assert on_loopback_alone(supervisor.processes(cluster.state).values()), "while a job runs too"
    hold.unlink()
    assert "SparkRunner" in finish(job)
    check_same(direct, tmp_path / "clips")


@pytest.mark.parametrize("victim", ["harness", "worker-0"])
def test_what_is_killed_in_mid_job_is_made_again(beam, cluster, source, direct, hold, tmp_path, victim):
    output = tmp_path / "clips"
    job = start(source, output, *beam)
    wait_for_the_middle(job, output, ONE_WORKER)
    done = written_records(output)
    if victim == "harness":
        os.kill(at_work(cluster.state)[-1], signal.SIGKILL)
    else:
        os.killpg(supervisor.processes(cluster.state)[victim], signal.SIGKILL)
    hold.unlink()
    finish(job)
    check_same(direct, output)
    assert done.items() <= written_records(output).items(), "nothing is made twice"
    wait_for(lambda: status(cluster)["aliveworkers"] == cluster.workers)


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_the_submitter_ends_and_the_same_command_attaches(beam, source, direct, hold, tmp_path, number):
    output = tmp_path / "clips"
    job = start(source, output, *beam)
    wait_for_the_middle(job, output, ONE_WORKER)
    wait_while(job, lambda: not (output / "_zoetrope" / "running.json").exists())
    kept = json.loads((output / "_zoetrope" / "running.json").read_text())
    job.send_signal(number)
    told = finish(job, 130 if number == signal.SIGTERM else -signal.SIGKILL)
    assert number == signal.SIGKILL or f"the job runs on: SparkRunner job {kept['id']}" in told
    hold.unlink()
    told = finish(start(source, output, *beam))
    assert f"attached to SparkRunner job {kept['id']}" in told
    assert "nothing is missing" in told, "no second job was started"
    check_same(direct, output)


def test_ctrl_c_stops_and_the_same_command_goes_on(beam, cluster, source, direct, hold, tmp_path):
    output = tmp_path / "clips"
    job = start(source, output, *beam)
    wait_for_the_middle(job, output, ONE_WORKER)
    job.send_signal(signal.SIGINT)
    assert "stopped" in finish(job, 130)
    wait_for(lambda: status(cluster)["coresused"] == 0)
    wait_for(lambda: not at_work(cluster.state), 15)
    hold.unlink()
    assert "done before" in finish(start(source, output, *beam))
    check_same(direct, output)
