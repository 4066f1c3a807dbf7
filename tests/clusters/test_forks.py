"""Workers of a pool are forked: each has a name by which it is found, and its exit code arrives."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from apache_beam.portability.api import beam_fn_api_pb2
from engine_runs import children_of, name_of
from waiting import wait_until

from clusters.forks import NAME, ForkedWorkers
from clusters.pools import free_port

# The fork server is stopped, asked for a worker, and killed.
KILLED = """
import os, signal, sys, threading, time
from multiprocessing import forkserver
from pathlib import Path
from clusters.forks import ForkedWorkers

if __name__ == "__main__":
    workers, server = ForkedWorkers(), forkserver._forkserver._forkserver_pid
    os.kill(server, signal.SIGSTOP)
    threading.Timer(0.2, os.kill, (server, signal.SIGKILL)).start()
    for _ in range(4):
        print(workers.run(Path(sys.argv[1])), flush=True)
        time.sleep(0.1)
"""


@pytest.fixture(scope="module")
def workers() -> ForkedWorkers:
    return ForkedWorkers()


def request(path: Path) -> Path:
    """The request of a runner that does not answer; a worker waits a minute for it."""
    asked = beam_fn_api_pb2.StartWorkerRequest(worker_id=path.name)
    asked.control_endpoint.url = asked.provision_endpoint.url = f"127.0.0.1:{free_port()}"
    path.write_bytes(asked.SerializeToString())
    return path


def running() -> list[int]:
    """The workers of this process, which are children of its fork server."""
    grandchildren = [process for child in children_of(os.getpid()) for process in children_of(child)]
    return [process for process in grandchildren if name_of(process) == NAME.decode()]


def test_the_exit_codes_of_workers_that_are_killed_at_once_arrive(workers, tmp_path):
    codes: list[int] = []
    requests = [request(tmp_path / f"worker-{number}") for number in range(3)]
    threads = [
        threading.Thread(target=lambda path=path: codes.append(workers.run(path))) for path in requests
    ]
    for thread in threads:
        thread.start()
    wait_until(lambda: len(running()) == 3, 120)  # the first start imports Beam
    for process in running():
        os.kill(process, signal.SIGKILL)
    for thread in threads:
        thread.join(30)
    assert codes == [-signal.SIGKILL] * 3


def test_a_pool_that_ends_ends_its_workers(workers, tmp_path):
    codes: list[int] = []
    thread = threading.Thread(target=lambda: codes.append(workers.run(request(tmp_path / "worker"))))
    thread.start()
    wait_until(running)
    workers.close()
    thread.join(30)
    assert codes == [-signal.SIGTERM]


def test_a_fork_server_that_was_killed_costs_no_later_worker(tmp_path):
    (tmp_path / "no-request").write_bytes(b"\xff")
    script = tmp_path / "killed.py"
    script.write_text(KILLED)
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    command = [sys.executable, str(script), str(tmp_path / "no-request")]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.stdout.splitlines() == ["1"] * 4, done.stderr
    assert "DecodeError" in done.stderr, "a worker was started at last"


def test_a_worker_that_fails_has_exit_code_1(workers, tmp_path):
    (tmp_path / "no-request").write_bytes(b"\xff")
    assert workers.run(tmp_path / "no-request") == 1
