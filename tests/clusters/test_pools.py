"""Process groups and ports on loopback."""

from __future__ import annotations

import signal
import socket
import subprocess
import sys

import pytest

from clusters.pools import WorkerPool, free_port, group_alive, is_listening, stop_group, wait_for_port

DEAF = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('ready', flush=True); time.sleep(99)"


def test_a_group_that_ignores_sigterm_is_killed():
    process = subprocess.Popen([sys.executable, "-c", DEAF], stdout=subprocess.PIPE, start_new_session=True)
    assert process.stdout is not None
    process.stdout.readline()
    assert group_alive(process.pid)
    stop_group(process.pid, patience=0.3)
    assert not group_alive(process.pid)
    assert process.wait(5) == -signal.SIGKILL
    stop_group(process.pid)  # a group that is gone is no error


def test_a_free_port_is_free_until_somebody_listens():
    port = free_port()
    assert not is_listening(port)
    with socket.create_server(("127.0.0.1", port)):
        assert is_listening(port)


def test_a_process_that_ends_before_it_listens_names_its_log(tmp_path):
    process = subprocess.Popen([sys.executable, "-c", ""])
    with pytest.raises(RuntimeError, match=r"nothing listens on port \d+: see .*pool\.log"):
        wait_for_port(free_port(), process, tmp_path / "pool.log")


def test_a_pool_listens_on_loopback_and_ends_with_its_block(tmp_path):
    with WorkerPool(tmp_path / "pool.log") as pool:
        assert is_listening(pool.port)
        assert pool.address == f"127.0.0.1:{pool.port}"
    assert not group_alive(pool.process.pid)
    assert not is_listening(pool.port)
