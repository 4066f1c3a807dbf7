"""One job an output: the second is refused, and the dead hold nobody up."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from pipelines.output.folder import Output
from schemas.errors import ConfigError
from storage.lock import OutputLock, _Lease

HOLD = """
import sys, time
from storage.lock import OutputLock
from pipelines.output.folder import Output
with OutputLock(Output(sys.argv[1])):
    print("held", flush=True)
    time.sleep(60)
"""


def test_the_second_is_refused_in_one_line_and_may_come_after(tmp_path):
    output = Output(str(tmp_path))
    with OutputLock(output):
        with pytest.raises(
            ConfigError, match=rf"another job is writing there \(process {os.getpid()} on "
        ) as refused:
            OutputLock(output).__enter__()
        assert "\n" not in str(refused.value)
    with OutputLock(output):
        pass
    assert not Path(output.state("lock")).exists()


def test_it_dies_with_its_process(tmp_path):
    output = Output(str(tmp_path))
    holder = subprocess.Popen([sys.executable, "-c", HOLD, str(tmp_path)], stdout=subprocess.PIPE)
    try:
        assert holder.stdout is not None
        assert holder.stdout.readline() == b"held\n"
        with pytest.raises(ConfigError, match=f"process {holder.pid} "):
            OutputLock(output).__enter__()
        holder.send_signal(signal.SIGKILL)
        holder.wait()
        with OutputLock(output):
            pass
    finally:
        holder.kill()
        holder.wait()


def lease(path: Path, **settings) -> _Lease:
    return _Lease(str(path), settings.get("beat", 0.05), settings.get("stale", 0.5))


def test_a_lease_is_kept_alive_and_let_go(tmp_path):
    first, second = lease(tmp_path / "lock"), lease(tmp_path / "lock")
    assert first.take() is None
    time.sleep(0.8)  # longer than `stale`: only its beats keep it
    holder = second.take()
    assert holder is not None
    assert holder["pid"] == os.getpid()
    first.release()
    assert second.take() is None
    second.release()
    assert not (tmp_path / "lock").exists()


@pytest.mark.parametrize(
    ("holder", "taken"),
    [
        ({"host": "elsewhere", "pid": 1, "time": time.time() - 3600}, True),  # silent for an hour
        ({"host": "elsewhere", "pid": 1, "time": time.time() + 3600}, False),
        ({"host": socket.gethostname(), "pid": 2**22 + 1, "time": time.time() + 3600}, True),  # dead, here
        ({}, True),  # cut off while it was written
    ],
)
def test_a_lease_of_the_dead_is_taken_over(tmp_path, holder, taken):
    (tmp_path / "lock").write_text(json.dumps(holder) if holder else '{"host": "el')
    mine = lease(tmp_path / "lock")
    assert (mine.take() is None) is taken
    mine.release()
