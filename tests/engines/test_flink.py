"""A real Flink session cluster on this machine: it comes up, survives the loss of a worker, and goes without a trace.

The job on it needs Beam's job server from Maven as well; where Maven has none, those tests are skipped and say so.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from test_prism import animate, check_same

from runners.flink import ClusterConfig, EngineError, Running, down, find_flink, find_job_server, start_task_manager, status, up
from runners.pools import free_port, group_alive, is_listening

pytestmark = [pytest.mark.flink, pytest.mark.skipif(shutil.which("java") is None, reason="no java on the PATH")]


@pytest.fixture(scope="module")
def config(tmp_path_factory) -> ClusterConfig:
    try:
        find_flink()
    except EngineError as error:
        pytest.skip(str(error))
    ports = {"ui_port": free_port(), "rpc_port": free_port(), "pool_port": free_port()}
    return ClusterConfig(state=tmp_path_factory.mktemp("flink"), **ports)


@pytest.fixture(scope="module")
def cluster(config):
    running = up(config)
    yield running
    down(config)
    assert not any(group_alive(group) for group in running.groups.values())
    assert not any(is_listening(port) for port in (config.ui_port, config.rpc_port, config.pool_port))


def wait_for(config: ClusterConfig, workers: int) -> None:
    end = time.monotonic() + 60
    while status(config)["taskmanagers"] != workers:
        assert time.monotonic() < end, status(config)
        time.sleep(0.3)


def test_it_comes_up_on_loopback_and_mends(cluster: Running, config):
    assert status(config)["taskmanagers"] == 2
    assert status(config)["slots-total"] == 4
    for port in (config.ui_port, config.rpc_port, config.pool_port):
        assert all("0100007F" in address for address in listening(port)), "on loopback alone"
    os.killpg(cluster.groups["taskmanager-1"], signal.SIGKILL)
    wait_for(config, 1)
    start_task_manager(config, cluster, 1)
    wait_for(config, 2)


def listening(port: int) -> list[str]:
    """Addresses of IPv4 and IPv6 that somebody listens on at a port, as the kernel writes them."""
    found = []
    for table in ("tcp", "tcp6"):
        for line in Path(f"/proc/net/{table}").read_text().splitlines()[1:]:
            fields = line.split()
            if fields[3] == "0A" and int(fields[1].rpartition(":")[2], 16) == port:
                found.append(fields[1])
    return found


def test_a_second_cluster_on_the_same_ports_is_refused(cluster, config, tmp_path):
    other = ClusterConfig(config.ui_port, free_port(), free_port(), state=tmp_path)
    with pytest.raises(EngineError, match=f"port {config.ui_port} is taken"):
        up(other)


@pytest.fixture(scope="module")
def beam(cluster, config) -> list[str]:
    try:
        jar = find_job_server()
    except EngineError as error:
        pytest.skip(str(error))
    return [
        "--runner=FlinkRunner", "--flink_version=1.20", f"--flink_master=127.0.0.1:{config.ui_port}", "--parallelism=4",
        f"--flink_job_server_jar={jar}", "--environment_type=EXTERNAL", f"--environment_config=127.0.0.1:{config.pool_port}",
        "--number_of_execution_retries=10", "--execution_retry_delay=1000",
    ]  # fmt: skip


@pytest.fixture(scope="module")
def source(tmp_path_factory) -> Path:
    from pipelines.samples import write_folder

    return write_folder(tmp_path_factory.mktemp("corpus") / "photos", 200, long_side=320)


@pytest.fixture(scope="module")
def direct(source, tmp_path_factory) -> Path:
    output = tmp_path_factory.mktemp("direct") / "clips"
    assert animate(source, output).returncode == 0
    return output


def test_shards_are_those_of_the_direct_runner(beam, source, direct, tmp_path):
    done = animate(source, tmp_path / "clips", *beam)
    assert done.returncode == 0, done.stderr
    check_same(direct, tmp_path / "clips")


@pytest.mark.parametrize("victim", ["taskmanager-0", "pool", "harness"])
def test_what_is_killed_in_mid_job_is_made_again(beam, cluster, config, source, direct, tmp_path, victim):
    output = tmp_path / "clips"
    command = [sys.executable, "-c", f"import test_prism as t; from pathlib import Path as P; "
               f"print(t.animate(P({str(source)!r}), P({str(output)!r}), *{beam!r}))"]  # fmt: skip
    job = subprocess.Popen(command, cwd=Path(__file__).parent, stdout=subprocess.PIPE, text=True)
    while not list(output.glob("_zoetrope/tmp/*/000.tar")):
        assert job.poll() is None
        time.sleep(0.05)
    if victim == "harness":
        subprocess.run(["pkill", "-KILL", "-g", str(cluster.groups["pool"]), "-f", "SdkHarness"], check=True)
    else:
        os.killpg(cluster.groups[victim], signal.SIGKILL)
    if victim == "pool":
        from runners.pools import WorkerPool

        cluster.groups["pool"] = WorkerPool(config.state / "pool.log", config.pool_port).start().pid
    elif victim != "harness":
        start_task_manager(config, cluster, 0)
    told, _ = job.communicate(timeout=240)
    assert "returncode=0" in told
    check_same(direct, output)
