"""kill -9 and Ctrl-C against the real command: what is left is whole, and the next run makes the rest, byte for byte."""

from __future__ import annotations

import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from test_job import leftovers, shards

CONFIG = Path(__file__).parents[2] / "configs" / "animate" / "coco.yaml"
SMALL = ["clip.size=64", "clip.frames=6", "shard.max_samples=4", "workers=1"]


@pytest.fixture(scope="module")
def arguments(tmp_path_factory) -> list[str]:
    from pipelines.samples import write_coco

    annotations, images = write_coco(tmp_path_factory.mktemp("coco"), 60)
    return ["animate", "--config", str(CONFIG), f"source.annotations={annotations}", f"source.images={images}", *SMALL]


@pytest.fixture(scope="module")
def whole(arguments, tmp_path_factory) -> dict[str, str]:
    output = tmp_path_factory.mktemp("whole") / "clips"
    assert start(arguments, output).wait() == 0
    return shards(output)


def start(arguments: list[str], output: Path) -> subprocess.Popen:
    command = [sys.executable, "-m", "zoetrope.cli", *arguments, f"output={output}"]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def wait_for_tasks(job: subprocess.Popen) -> None:
    assert job.stderr is not None
    line = job.stderr.readline()
    assert "tasks" in line, line + job.stderr.read()


def test_kill_9_at_ten_random_moments(arguments, whole, tmp_path):
    output, rng = tmp_path / "clips", random.Random(5)
    for number in range(10):
        job = start(arguments, output)
        if number:  # the first dies while it starts
            wait_for_tasks(job)
        time.sleep(rng.uniform(0.0, 0.4))
        job.kill()
        job.communicate()
        for name in shards(output):
            assert shards(output)[name] == whole[name], "no half shard under a final name"
    last = start(arguments, output)
    _, errors = last.communicate()
    assert last.returncode == 0, errors
    assert shards(output) == whole
    assert not leftovers(output)
    records = sorted(path.name for path in (output / "_zoetrope" / "records").iterdir())
    assert records == [f"{task:05d}.parquet" for task in range(15)]


def test_ctrl_c_stops_within_seconds_and_says_how_to_go_on(arguments, whole, tmp_path):
    output = tmp_path / "clips"
    job = start([*arguments, "clip.size=224", "encode.format=png"], output)
    wait_for_tasks(job)
    time.sleep(0.3)
    job.send_signal(signal.SIGINT)
    began = time.monotonic()
    _, errors = job.communicate(timeout=60)
    assert job.returncode == 130, errors
    assert time.monotonic() - began < 30
    assert "Run the same command again to go on" in errors
    assert "Traceback" not in errors
    assert not leftovers(output)
    assert len(shards(output)) < len(whole)


def test_two_jobs_at_once_and_the_second_is_refused(arguments, tmp_path):
    output = tmp_path / "clips"
    arguments = [*arguments, "clip.size=224", "encode.format=png"]
    first = start(arguments, output)
    try:
        wait_for_tasks(first)
        second = start(arguments, output)
        _, errors = second.communicate()
        assert second.returncode == 2, errors
        assert f"another job is writing there (process {first.pid} on " in errors
        assert errors.count("\n") == 1
    finally:
        first.kill()
        first.communicate()
