"""A signal while a reader process is stuck in a parser, at planning and while samples are made."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.pipelines.running.test_kill import hear_hangups

SUPPORT = Path(__file__).parents[2] / "support"
STATE, SESSION = 0, 3  # fields of /proc/PID/stat after the name


def of_session(leader: int) -> list[int]:
    """The processes of a session that have not ended."""
    found = []
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = path.read_text().rpartition(")")[2].split()
        except OSError:  # it has ended
            continue
        if int(fields[SESSION]) == leader and fields[STATE] != "Z":
            found.append(int(path.parent.name))
    return found


@pytest.mark.skipif(sys.platform != "linux", reason="looks for processes in /proc")
@pytest.mark.parametrize(
    ("number", "to_all", "options"),
    [
        (signal.SIGINT, True, "{{plan: [mark {0}, spin], rows: [a]}}"),
        (signal.SIGTERM, False, "{{plan: [mark {0}, spin], rows: [a]}}"),
        (signal.SIGHUP, False, "{{rows: [a, mark {0}, spin]}}"),
    ],
)
def test_a_signal_does_not_wait_for_a_parser(tmp_path, number, to_all, options):
    temporary, mark = tmp_path / "tmp", tmp_path / "mark"
    temporary.mkdir()
    command = [
        *(sys.executable, "-m", "zoetrope.cli", "animate", "source.kind=hostile_source:HostileSource"),
        *(f"source.options={options.format(mark)}", f"output={tmp_path}/clips", "workers=1"),
        "limits.seconds=600",
    ]
    job = subprocess.Popen(
        command,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
        preexec_fn=hear_hangups,
        env={**os.environ, "PYTHONPATH": f"{SUPPORT}", "TMPDIR": f"{temporary}"},
    )
    try:
        while not mark.exists():
            assert job.poll() is None, job.communicate()
            time.sleep(0.02)
        began = time.monotonic()
        if to_all:  # as a terminal sends it
            os.killpg(job.pid, number)
        else:
            os.kill(job.pid, number)
        _, errors = job.communicate(timeout=60)
        assert job.returncode == 130, errors
        assert time.monotonic() - began < 30
        assert "Traceback" not in errors
        assert not of_session(job.pid)
        assert not list(temporary.iterdir())
        assert not list((tmp_path / "clips").rglob("*.tar"))
    finally:
        for process in of_session(job.pid):
            os.kill(process, signal.SIGKILL)
