"""A cluster is brought up whole, or not at all."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from clusters import supervisor
from clusters.cluster import bring_up, job_server_options, pool_command
from clusters.jars import EngineError

SLEEP = ["sleep", "600"]


@pytest.fixture
def state(tmp_path) -> Iterator[Path]:
    yield tmp_path
    supervisor.stop(tmp_path)


def test_a_complete_cluster_runs_and_a_second_one_is_refused(state):
    bring_up("flink", state, (), lambda: {"worker": SLEEP}, lambda: True)
    assert set(supervisor.processes(state)) == {"worker", "supervisor"}
    with pytest.raises(EngineError, match=r"is up already .*make flink-down"):
        bring_up("flink", state, (), lambda: {"worker": SLEEP}, lambda: True)


def test_a_cluster_that_is_not_complete_in_time_is_stopped(state):
    with pytest.raises(EngineError, match=r"does not come up: see .*logs"):
        bring_up("spark", state, (), lambda: {"worker": SLEEP}, lambda: False, seconds=0.0)
    assert supervisor.processes(state) == {}


def test_a_taken_port_is_named_before_anything_starts(state):
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        with pytest.raises(EngineError, match=f"port {port} is taken"):
            bring_up("spark", state, (port,), lambda: {"worker": SLEEP}, lambda: True)
    assert supervisor.processes(state) == {}


def test_the_pool_forgets_the_workers_of_an_earlier_cluster(tmp_path):
    (tmp_path / "waiting").mkdir()
    (tmp_path / "waiting" / "1.json").touch()
    command = pool_command(50000, tmp_path)
    assert command[1:] == ["-m", "clusters.pool_main", "50000", str(tmp_path / "waiting")]
    assert not (tmp_path / "waiting").exists()


def test_a_job_server_listens_on_loopback_alone(tmp_path):
    options = job_server_options(8099, tmp_path)
    assert options[:2] == ["--job-host=127.0.0.1", "--job-port=8099"]
