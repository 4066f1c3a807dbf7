"""A pool starts workers that die before they connect again. Real workers: `tests/engines/test_flink.py`."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

from clusters import pool_main
from clusters.pool_main import STARTS, Workers

# Notes its start; is killed until the folder has as many notes as its request says; then connects.
WORKER = """
import os, signal, sys, time, uuid
request, notes = sys.argv[2], sys.argv[1]
open(os.path.join(notes, uuid.uuid4().hex), "w").close()
if len(os.listdir(notes)) < int(open(request).read()):
    os.kill(os.getpid(), signal.SIGKILL)
os.unlink(request)
sys.exit(1)
"""


def workers(tmp_path: Path, monkeypatch) -> tuple[Workers, Callable[[], int]]:
    """Workers of the script above, and how many have been started."""
    monkeypatch.setattr(pool_main, "AGAIN_SECONDS", 0.01)
    notes = tmp_path / "notes"
    notes.mkdir()
    command = [sys.executable, "-c", WORKER, str(notes)]

    def run(request: Path) -> int:
        return subprocess.run([*command, str(request)]).returncode

    return Workers(tmp_path / "waiting", run), lambda: len(list(notes.iterdir()))


def wait_for(what: Callable[[], bool]) -> None:
    end = time.monotonic() + 30
    while not what():
        assert time.monotonic() < end
        time.sleep(0.01)


def nothing_waits(tmp_path: Path) -> bool:
    return not list((tmp_path / "waiting").iterdir())


def test_a_worker_that_dies_before_it_connects_is_started_again(tmp_path, monkeypatch):
    some, started = workers(tmp_path, monkeypatch)
    some.start(b"3")
    wait_for(lambda: started() == 3 and nothing_waits(tmp_path))
    time.sleep(0.1)
    assert started() == 3, "once connected it is its runner's"


def test_a_worker_that_never_connects_is_given_up(tmp_path, monkeypatch):
    some, started = workers(tmp_path, monkeypatch)
    some.start(b"99")
    wait_for(lambda: started() == STARTS and nothing_waits(tmp_path))


def test_a_pool_that_is_restarted_starts_the_workers_that_are_waited_for(tmp_path, monkeypatch):
    (tmp_path / "waiting").mkdir()
    (tmp_path / "waiting" / "of-a-killed-pool").write_text("1")
    some, started = workers(tmp_path, monkeypatch)
    some.start_waiting()
    wait_for(lambda: started() == 1 and nothing_waits(tmp_path))
