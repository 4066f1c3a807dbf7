"""kill -9 and Ctrl-C against the real command: what is left is whole, and the next run makes the rest, byte
for byte.
"""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from multiprocessing.process import BaseProcess
from pathlib import Path

import pytest
from warm import CONTEXT

from tests.pipelines.running.test_graph import leftovers, shards

CONFIG = Path(__file__).parents[3] / "configs" / "animate" / "coco.yaml"
SLOW = [
    "encode.format=png",
    "shard.max_samples=4",
    "workers=1",
]  # some seconds of work, so that a kill hits the middle


@pytest.fixture(scope="module")
def arguments(tmp_path_factory) -> list[str]:
    from zoetrope.samples import write_coco

    annotations, images = write_coco(tmp_path_factory.mktemp("coco"), 60)
    return [
        "animate",
        "--config",
        str(CONFIG),
        f"source.annotations={annotations}",
        f"source.images={images}",
        *SLOW,
    ]


@pytest.fixture(scope="module")
def fork():
    """fork(arguments, output, log) -> the command in a process of its own, forked from one that has its
    imports behind it.
    """

    def start(arguments: list[str], output: Path, log: Path) -> BaseProcess:
        job = CONTEXT.Process(target=the_command, args=([*arguments, f"output={output}"], str(log)))
        job.start()
        return job

    return start


def the_command(arguments: list[str], log: str) -> None:
    from zoetrope import cli

    with open(log, "w") as stream:
        os.dup2(stream.fileno(), sys.stdout.fileno())
        os.dup2(stream.fileno(), sys.stderr.fileno())
        sys.exit(cli.main(arguments))


def wait_for(log: Path, text: str, job: BaseProcess) -> None:
    while not (log.exists() and text in log.read_text()):
        assert job.is_alive(), log.read_text()
        time.sleep(0.01)


@pytest.fixture(scope="module")
def whole(arguments, fork, tmp_path_factory) -> dict[str, str]:
    folder = tmp_path_factory.mktemp("whole")
    job = fork(arguments, folder / "clips", folder / "log")
    job.join()
    assert job.exitcode == 0, (folder / "log").read_text()
    return shards(folder / "clips")


def test_kill_9_at_ten_random_moments(arguments, fork, whole, tmp_path):
    output, rng, killed = tmp_path / "clips", random.Random(5), 0
    for number in range(10):
        log = tmp_path / f"log-{number}"
        job = fork(arguments, output, log)
        if number > 1:  # the first two die while they start and plan
            wait_for(log, "tasks", job)
        time.sleep(rng.uniform(0.0, 0.3))
        job.kill()
        job.join()
        assert job.exitcode in (-signal.SIGKILL, 0), log.read_text()  # 0: it was done before
        killed += job.exitcode != 0
        for name, digest in shards(output).items():
            assert digest == whole[name], "no half shard under a final name"
    assert killed > 2, "some were killed while they made shards"
    last = fork(arguments, output, tmp_path / "log")
    last.join()
    assert last.exitcode == 0, (tmp_path / "log").read_text()
    assert shards(output) == whole
    assert not leftovers(output)
    records = sorted(path.name for path in (output / "_zoetrope" / "records").iterdir())
    assert records == [f"{task:05d}.parquet" for task in range(15)]


def hear_hangups() -> None:
    """Tests may run under nohup, whose ignored SIGHUP a job would inherit and keep."""
    signal.signal(signal.SIGHUP, signal.SIG_DFL)


@pytest.mark.parametrize(
    ("number", "workers"), [(signal.SIGINT, 1), (signal.SIGINT, 10), (signal.SIGTERM, 2), (signal.SIGHUP, 2)]
)
def test_a_signal_stops_within_seconds_and_says_how_to_go_on(arguments, whole, tmp_path, number, workers):
    output = tmp_path / "clips"
    command = [sys.executable, "-m", "zoetrope.cli", *arguments, f"workers={workers}", f"output={output}"]
    job = subprocess.Popen(
        command,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
        preexec_fn=hear_hangups,
    )
    while not list(output.glob("_zoetrope/tmp/*/000.tar")):
        assert job.poll() is None, job.communicate()
        time.sleep(0.01)
    os.killpg(job.pid, number)  # as a terminal sends it: to every process of the job
    began = time.monotonic()
    _, errors = job.communicate(timeout=60)
    assert job.returncode == 130, errors
    assert time.monotonic() - began < 30
    assert "Run the same command again to continue" in errors
    assert "Traceback" not in errors
    assert not leftovers(output)
    assert len(shards(output)) < len(whole)


def test_two_jobs_at_once_and_the_second_is_refused(arguments, fork, tmp_path):
    output, logs = tmp_path / "clips", [tmp_path / "first", tmp_path / "second"]
    first = fork(arguments, output, logs[0])
    try:
        wait_for(logs[0], "tasks", first)
        second = fork(arguments, output, logs[1])
        second.join()
        told = logs[1].read_text()
        assert second.exitcode == 2, told
        assert f"another job is writing there (process {first.pid} on " in told
        assert told.count("\n") == 1
    finally:
        first.kill()
        first.join()


def hangs(reference: object) -> None:
    """A filter that never answers."""
    time.sleep(3600)


def test_ctrl_c_does_not_wait_for_a_sample_that_hangs(arguments, fork, tmp_path):
    job = fork([*arguments, f"filters=[{__name__}:hangs]"], tmp_path / "clips", tmp_path / "log")
    wait_for(tmp_path / "log", "direct runner", job)
    time.sleep(1.0)  # until the filter was called
    began = time.monotonic()
    os.kill(job.pid, signal.SIGINT)
    job.join(timeout=30)
    assert job.exitcode == 130
    assert time.monotonic() - began < 25  # a second on a quiet machine; the sample has a minute
    assert not list((tmp_path / "clips").glob("_zoetrope/tmp/*"))
