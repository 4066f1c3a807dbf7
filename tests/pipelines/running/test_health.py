"""A worker process that fails task after task ends itself."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

import pytest
from waiting import wait_until

from pipelines.running import health
from pipelines.running.engine import choose_runner
from pipelines.running.health import EXIT_CODE, FAILURES, Health

ROOT = Path(__file__).parents[3]
SICK = """
import time
from pipelines.running.health import process_health
for _ in range(3):
    process_health().failed()
print("the error reaches the runner", flush=True)
time.sleep(60)
"""


@pytest.fixture
def ends(monkeypatch) -> list[int]:
    monkeypatch.setattr(health, "LAST_WORDS_SECONDS", 0.0)
    return []


def test_a_process_with_failures_in_a_row_ends(ends):
    own = Health(ends.append)
    for _ in range(FAILURES):
        assert not ends
        own.failed()
    wait_until(lambda: ends)
    assert ends == [EXIT_CODE]


def test_a_task_that_works_between_failures_resets_the_count(ends):
    own = Health(ends.append)
    for _ in range(5):
        for _ in range(FAILURES - 1):
            own.failed()
        own.worked()
    time.sleep(0.2)
    assert ends == []


def test_the_error_is_out_before_the_process_is_gone():
    done = subprocess.run([sys.executable, "-c", SICK], capture_output=True, text=True, timeout=50, cwd=ROOT)
    assert done.returncode == EXIT_CODE
    assert "the error reaches the runner" in done.stdout


@pytest.mark.parametrize(
    ("options", "replaced"),
    [
        ([], False),
        (["--runner=PrismRunner"], False),
        (["--runner=FlinkRunner", "--environment_type=EXTERNAL"], True),
        (["--runner=FlinkRunner", "--environment_type=LOOPBACK"], False),
        (["--runner=DataflowRunner"], True),
    ],
)
def test_only_processes_that_a_runner_replaces_may_end(options, replaced):
    assert choose_runner(options, 1).replaces_workers is replaced
