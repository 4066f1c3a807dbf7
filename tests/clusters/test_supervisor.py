"""A supervisor restarts programs that end, and ends all of them."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from clusters import supervisor
from clusters.pools import group_alive

SLEEP = ["sleep", "600"]


@pytest.fixture
def folder(tmp_path) -> Iterator[Path]:
    yield tmp_path
    supervisor.stop(tmp_path)


def wait_for(what: Callable[[], bool]) -> None:
    end = time.monotonic() + 30
    while not what():
        assert time.monotonic() < end, "it does not happen"
        time.sleep(0.05)


def test_a_program_that_is_killed_is_restarted(folder):
    supervisor.start(folder, {"first": SLEEP, "second": SLEEP})
    before = supervisor.processes(folder)
    os.killpg(before["first"], signal.SIGKILL)
    wait_for(lambda: supervisor.processes(folder)["first"] != before["first"])
    after = supervisor.processes(folder)
    assert after["second"] == before["second"]
    assert "first ended with -9; it is restarted" in (folder / "logs" / "supervisor.log").read_text()


def test_all_programs_end_with_the_supervisor(folder):
    supervisor.start(folder, {"first": SLEEP, "second": SLEEP})
    groups = supervisor.processes(folder)
    assert set(groups) == {"first", "second", "supervisor"}
    supervisor.stop(folder)
    assert not any(group_alive(group) for group in groups.values())
    assert supervisor.processes(folder) == {}


def test_a_supervisor_that_cannot_start_names_its_log(folder):
    with pytest.raises(RuntimeError, match=r"the supervisor does not start: see .*supervisor\.log"):
        supervisor.start(folder, {"first": [str(folder / "no-such-program")]})
