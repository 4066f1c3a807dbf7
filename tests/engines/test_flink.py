"""Jobs on a real Flink session cluster give the bytes of the direct runner, whatever is killed meanwhile."""

from __future__ import annotations

import json
import os
import shutil
import signal
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest
from engine_runs import (
    ROOT,
    TASKS,
    finish,
    harnesses,
    on_loopback_alone,
    run,
    start,
    wait_for,
    wait_for_the_middle,
    workers_of,
    write_source,
)

from clusters import supervisor
from clusters.flink import ClusterConfig, down, find_flink, find_job_server, main, status, up
from clusters.jars import EngineError, java_options
from clusters.pools import free_port, group_alive, is_listening
from tests.engines.test_prism import check_same

pytestmark = [
    pytest.mark.flink,
    pytest.mark.skipif(shutil.which("java") is None, reason="no java on the PATH"),
]


@pytest.fixture(scope="module")
def config(tmp_path_factory) -> ClusterConfig:
    try:
        find_flink()
        find_job_server()
        java_options()
    except EngineError as error:
        pytest.skip(str(error))
    ports = {
        "ui_port": free_port(),
        "rpc_port": free_port(),
        "pool_port": free_port(),
        "job_port": free_port(),
    }
    return ClusterConfig(state=tmp_path_factory.mktemp("flink"), **ports)


@pytest.fixture(scope="module")
def cluster(config) -> Iterator[ClusterConfig]:
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
        f"--flink_master=127.0.0.1:{cluster.ui_port}",
        f"--job_endpoint=127.0.0.1:{cluster.job_port}",
        f"--environment_config=127.0.0.1:{cluster.pool_port}",
    ]
    return ["--runner-config", str(ROOT / "configs" / "runners" / "flink.yaml"), "--", *places]


@pytest.fixture(scope="module")
def source(tmp_path_factory) -> Path:
    return write_source(tmp_path_factory.mktemp("corpus") / "photos")


@pytest.fixture(scope="module")
def direct(source, tmp_path_factory) -> Path:
    output = tmp_path_factory.mktemp("direct") / "clips"
    finish(start(source, output))
    return output


def ask(cluster: ClusterConfig, path: str) -> dict:
    """Ask the JobManager."""
    with urllib.request.urlopen(f"http://127.0.0.1:{cluster.ui_port}{path}", timeout=5) as response:
        return json.load(response)


def last_job(cluster: ClusterConfig) -> dict:
    """What the JobManager knows of the job that was submitted last."""
    jobs = ask(cluster, "/jobs/overview")["jobs"]
    return ask(cluster, f"/jobs/{max(jobs, key=lambda job: job['start-time'])['jid']}")


def subtasks(cluster: ClusterConfig) -> dict[str, list[dict]]:
    """The subtasks of each stage of the last job, by the stage's name."""
    job = last_job(cluster)
    return {
        stage["name"]: ask(cluster, f"/jobs/{job['jid']}/vertices/{stage['id']}")["subtasks"]
        for stage in job["vertices"]
    }


def test_shards_are_those_of_the_direct_runner(beam, cluster, source, direct, tmp_path):
    job = start(source, tmp_path / "clips", *beam)
    wait_for_the_middle(job, tmp_path / "clips")
    assert on_loopback_alone(supervisor.processes(cluster.state).values()), "while a job runs too"
    assert "FlinkRunner" in finish(job)
    check_same(direct, tmp_path / "clips")
    wait_for(lambda: not workers_of(cluster.state))


@pytest.mark.parametrize("victim", ["harness", "taskmanager-0", "pool"])
def test_what_is_killed_in_mid_job_is_made_again(beam, cluster, source, direct, tmp_path, victim):
    output = tmp_path / "clips"
    job = start(source, output, *beam)
    done = wait_for_the_middle(job, output)
    if victim == "harness":
        os.kill(harnesses(cluster.state)[-1], signal.SIGKILL)
    else:
        os.killpg(supervisor.processes(cluster.state)[victim], signal.SIGKILL)
    finish(job)
    check_same(direct, output)
    flink = last_job(cluster)
    assert flink["state"] == "FINISHED"
    assert flink["timestamps"]["RESTARTING"] > 0, "it was hit"
    if victim == "harness":
        assert_the_other_went_on(cluster)
    records = output / "_zoetrope" / "records"
    assert done == {name: (records / name).stat().st_mtime_ns for name in done}, "nothing is made twice"
    wait_for(lambda: status(cluster)["slots-available"] == 4)


def assert_the_other_went_on(cluster: ClusterConfig) -> None:
    """The subtasks of the TaskManager that lost nothing are still at their first attempt."""
    making = next(found for name, found in subtasks(cluster).items() if "Shards/Make" in name)
    hit = {subtask["taskmanager-id"] for subtask in making if subtask["attempt"] > 0}
    assert len(hit) == 1
    others = [subtask["attempt"] for subtask in making if subtask["taskmanager-id"] not in hit]
    assert others == [0] * cluster.slots


def test_ctrl_c_cancels_and_the_same_command_goes_on(beam, cluster, source, direct, tmp_path):
    output, idle = tmp_path / "clips", set(workers_of(cluster.state))
    job = start(source, output, *beam)
    wait_for_the_middle(job, output)
    job.send_signal(signal.SIGINT)
    assert "stopped" in finish(job, 130)
    wait_for(lambda: last_job(cluster)["state"] == "CANCELED")
    wait_for(lambda: set(workers_of(cluster.state)) <= idle)
    records = output / "_zoetrope" / "records"
    done = {path.name: path.stat().st_mtime_ns for path in records.glob("[0-9]*.parquet")}
    assert len(done) < TASKS
    assert "done before" in finish(start(source, output, *beam))
    check_same(direct, output)
    assert done == {name: (records / name).stat().st_mtime_ns for name in done}


def test_what_a_worker_cannot_write_is_one_line(beam, cluster, source, direct, tmp_path):
    output = tmp_path / "clips"
    job = start(source, output, *beam)
    wait_for(lambda: (output / "_zoetrope" / "plan.json").exists())
    (output / "00070.tar").mkdir()  # where a shard should be
    told = finish(job, 1).splitlines()
    assert [line for line in told if "00070.tar" in line] == told[-1:]
    assert "the output cannot be written" in told[-1]
    (output / "00070.tar").rmdir()
    finish(start(source, output, *beam))
    check_same(direct, output)


def test_videos_are_imported(beam, tmp_path):
    from made_videos import make_video

    for i, colour in enumerate(["red", "green", "blue"] * 2):
        make_video(tmp_path / "videos" / f"v{i}.mp4", colour=colour)
    rows = [f"v{i},a square goes by {i}" for i in range(6)]
    (tmp_path / "captions.csv").write_text("\n".join(["video_id,caption", *rows, "v9,not there"]))
    fields = [f"source.videos={tmp_path / 'videos'}", f"source.annotations={tmp_path / 'captions.csv'}"]
    fields += ["shard.max_samples=2", "max_failure_ratio=1"]
    finish(run("import-videos", "import/csv", *fields, f"output={tmp_path / 'direct'}"))
    finish(run("import-videos", "import/csv", *fields, f"output={tmp_path / 'flink'}", *beam))
    check_same(tmp_path / "direct", tmp_path / "flink")


def test_the_runner_starts_a_job_server_of_its_own(cluster, source, direct, tmp_path, monkeypatch):
    """The job server starts from its jar, and its jars reach the cluster with the job."""
    monkeypatch.setenv("JAVA_TOOL_OPTIONS", "-Xmx512m")
    options = [
        "--runner=FlinkRunner",
        f"--flink_master=127.0.0.1:{cluster.ui_port}",
        f"--flink_job_server_jar={find_job_server()}",
    ]
    options += [
        "--parallelism=4",
        "--environment_type=EXTERNAL",
        f"--environment_config=127.0.0.1:{cluster.pool_port}",
    ]
    finish(start(source, tmp_path / "clips", "--", *options))
    check_same(direct, tmp_path / "clips")


def test_a_second_cluster_is_refused(cluster, tmp_path):
    with pytest.raises(EngineError, match="up already"):
        up(cluster)
    with pytest.raises(EngineError, match=f"port {cluster.ui_port} is taken"):
        up(ClusterConfig(cluster.ui_port, free_port(), free_port(), free_port(), state=tmp_path))


def test_a_cluster_whose_supervisor_was_killed_is_stopped(cluster):
    """Last: it takes the cluster down."""
    groups = supervisor.processes(cluster.state)
    os.kill(groups["supervisor"], signal.SIGKILL)
    down(cluster)
    assert not any(group_alive(group) for group in groups.values())
    assert main(["down"]) == 0, "a second time does no harm"
