"""One writer per place: the second is refused, two takers at once are one, and no clock but one's own
counts.
"""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
from takers import ONE_HAS_IT, take_at_once
from waiting import wait_until

from schemas.errors import ConfigError
from storage.locks import holder as holder_module
from storage.locks import lease as lease_module
from storage.locks.holder import Holder
from storage.locks.kernel import KernelLock
from storage.locks.lock import Lock
from storage.read import exists, read_bytes
from storage.write import write_bytes

HOLD = """
import sys, time
from storage.locks.lock import Lock
with Lock(sys.argv[1], str):
    print("held", flush=True)
    time.sleep(60)
"""


def refusal(holder: Holder) -> str:
    return f"busy: {holder}"


SHORT = 0.5  # seconds: a lease that is waited out


def quick(path: object, *, beat: float = 0.05, lease: float = 30.0) -> Lock:
    """A lock whose holder keeps it, however busy the machine is, unless the lease is a short one."""
    return Lock(str(path), refusal, beat=beat, lease=lease, settle=0)


def left_by(path: str, **changes: object) -> None:
    """A lease as another machine left it, an hour ago by this machine's clock."""
    holder = {
        "host": "elsewhere",
        "pid": 7,
        "system": "elsewhere",
        "token": "theirs",
        "time": time.time() - 3600,
    }
    write_bytes(path, json.dumps({**holder, **changes}).encode())


@pytest.fixture
def lease_path(tmp_path: Path) -> str:
    return f"memory://{tmp_path.name}/lock"


@pytest.fixture(params=["disk", "memory"])
def path(request, tmp_path: Path) -> str:
    return str(tmp_path / "lock") if request.param == "disk" else f"memory://{tmp_path.name}/lock"


def test_the_second_is_refused_in_one_line_and_may_come_after(path):
    with quick(path):
        with pytest.raises(ConfigError) as refused, quick(path):
            pass
        assert str(refused.value) == f"busy: process {os.getpid()} on {socket.gethostname()}"
    with quick(path):
        pass
    assert not exists(path)


def test_one_of_many_takers_at_once_has_it(path):
    assert take_at_once(lambda: quick(path)) == ONE_HAS_IT


def test_one_of_many_takers_of_a_dead_lease_has_it(lease_path):
    left_by(lease_path)
    assert take_at_once(lambda: quick(lease_path, lease=2 * SHORT)) == ONE_HAS_IT


def test_a_kernel_lock_dies_with_its_process(tmp_path):
    path = str(tmp_path / "lock")
    holder = subprocess.Popen([sys.executable, "-c", HOLD, path], stdout=subprocess.PIPE)
    try:
        assert holder.stdout is not None
        assert holder.stdout.readline() == b"held\n"
        with pytest.raises(ConfigError, match=f"process {holder.pid} "), quick(path):
            pass
        holder.send_signal(signal.SIGKILL)
        holder.wait()
        with quick(path):
            pass
    finally:
        holder.kill()
        holder.wait()


@pytest.mark.parametrize("skew", [-3600, -120, 0, 120, 3600])
def test_a_live_lease_is_not_taken_whatever_the_clocks_say(lease_path, monkeypatch, skew):
    with quick(lease_path) as held:
        now = time.time
        with monkeypatch.context() as patch:
            # The reader's clock is off; the holder's beats keep the true time in the object.
            patch.setattr(lease_module.time, "time", lambda: now() + (skew if _in_main_thread() else 0))
            start = time.monotonic()
            with pytest.raises(ConfigError, match="busy"), quick(lease_path):
                pass
        assert time.monotonic() - start < 30.0, "one changed beat is enough to refuse"
        assert not held.lost


def _in_main_thread() -> bool:
    return threading.current_thread() is threading.main_thread()


@pytest.mark.parametrize(
    "changes",
    [
        {"time": 0},
        {"time": time.time() + 3600},
        {"time": None},
        {"pid": "gone", "token": None},
        {"time": 10**400},
        {"pid": 10**30, "system": holder_module.system()},
        {"host": "x" * 3_000_000},
    ],
)
def test_a_silent_lease_is_taken_after_its_whole_length(lease_path, changes):
    left_by(lease_path, **changes)
    start = time.monotonic()
    with quick(lease_path, lease=SHORT) as held:
        assert time.monotonic() - start >= SHORT
        assert json.loads(read_bytes(lease_path))["pid"] == os.getpid()
        wait_until(lambda: not held.lost)
    assert not exists(lease_path)


def test_the_holder_of_a_damaged_lease_is_named_in_one_short_line(lease_path):
    left_by(lease_path, host="a\n\x1b[31m" + "x" * 10_000, pid=["\n"] * 1000, time=time.time())
    with pytest.raises(ConfigError) as refused, quick(lease_path, beat=30):
        pass
    assert len(str(refused.value)) < 300
    assert str(refused.value).isprintable()


@pytest.mark.parametrize("content", [b'{"host": "el', b"[" * 100_000])
def test_an_unreadable_lease_is_taken_after_its_whole_length(lease_path, content):
    write_bytes(lease_path, content)
    start = time.monotonic()
    with quick(lease_path, lease=SHORT):
        assert time.monotonic() - start >= SHORT


def test_a_lease_that_was_written_just_now_is_refused_at_once(lease_path):
    left_by(lease_path, time=time.time())
    start = time.monotonic()
    with pytest.raises(ConfigError, match="process 7 on elsewhere"), Lock(lease_path, refusal):
        pass
    assert time.monotonic() - start < 10  # a lease lasts two minutes


def test_the_lease_of_a_process_that_died_here_is_taken_at_once(lease_path):
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    left_by(lease_path, pid=ended.pid, system=holder_module.system(), time=time.time())
    start = time.monotonic()
    with Lock(lease_path, refusal):
        assert time.monotonic() - start < 10


def test_a_lease_is_kept_alive_for_longer_than_its_length(lease_path):
    beat = 0.05
    with quick(lease_path, beat=beat, lease=SHORT) as held:
        wait_until(lambda: json.loads(read_bytes(lease_path))["beat"] > 1.2 * SHORT / beat)
        wait_until(lambda: not held.lost)  # a busy machine may have kept it from beating for a moment
        with pytest.raises(ConfigError, match="busy"), quick(lease_path):
            pass


def test_a_lease_that_another_took_is_noticed_and_left_alone(lease_path):
    with quick(lease_path) as held:
        left_by(lease_path)
        wait_until(lambda: held.lost)
    assert json.loads(read_bytes(lease_path))["token"] == "theirs"


def test_a_holder_that_cannot_reach_the_store_counts_as_lost_in_time(lease_path, monkeypatch):
    def unreachable(*_: object) -> None:
        raise OSError("unreachable")

    with quick(lease_path, lease=0.3) as held:
        with monkeypatch.context() as patch:
            patch.setattr(lease_module, "replace_version", unreachable)
            wait_until(lambda: held.lost)  # another writer may have it by now
        wait_until(lambda: not held.lost)  # nobody took it: the next beat says so


def test_a_beat_whose_answer_was_lost_is_still_ours(lease_path, monkeypatch):
    real = lease_module.replace_version

    def losing(path: str, data: bytes, version: str) -> None:
        real(path, data, version)
        monkeypatch.setattr(lease_module, "replace_version", real)

    with quick(lease_path) as held:
        monkeypatch.setattr(lease_module, "replace_version", losing)
        wait_until(lambda: lease_module.replace_version is real)
        last = read_bytes(lease_path)
        wait_until(lambda: read_bytes(lease_path) != last)
        assert not held.lost


@pytest.mark.parametrize("make", [os.symlink, os.link])
def test_a_link_in_place_of_a_lock_is_refused_and_its_target_stays(tmp_path, make):
    target, lock = tmp_path / "precious.txt", tmp_path / "lock"
    target.write_text("precious")
    make(target, lock)
    with pytest.raises(OSError, match=r"remove it: .*lock"):
        KernelLock(str(lock)).take()
    assert target.read_text() == "precious"


def test_a_pipe_in_place_of_a_lock_is_refused(tmp_path):
    os.mkfifo(tmp_path / "lock")
    with pytest.raises(OSError, match=r"remove it: .*lock"):
        KernelLock(str(tmp_path / "lock")).take()
