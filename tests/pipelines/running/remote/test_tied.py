"""A tied program ends with its parent."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from processes import is_running
from waiting import wait_until

from pipelines.running.remote.tied import tied

PARENT = """
import subprocess, time
from pipelines.running.remote.tied import tied
child = subprocess.Popen(tied(["/bin/sleep", "60"]))
print(child.pid, flush=True)
time.sleep(60)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="the kernel of Linux ends it")
def test_a_tied_program_ends_with_a_parent_that_is_killed():
    parent = subprocess.Popen([sys.executable, "-c", PARENT], stdout=subprocess.PIPE, text=True)
    assert parent.stdout is not None
    child = int(parent.stdout.readline())
    wait_until(lambda: b"sleep" in Path(f"/proc/{child}/cmdline").read_bytes().partition(b"\0")[0])
    os.kill(parent.pid, signal.SIGKILL)
    parent.communicate()
    wait_until(lambda: not is_running(child))


def test_outside_the_main_thread_a_program_is_not_tied_to_its_thread():
    found: list[list[str]] = []
    thread = threading.Thread(target=lambda: found.append(tied(["program"])))
    thread.start()
    thread.join()
    assert found == [["program"]]
