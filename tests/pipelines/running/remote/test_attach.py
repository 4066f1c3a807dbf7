"""A job on a remote runner outlives its submitter: nothing of it is destroyed, and the same command attaches
to it.
"""

from __future__ import annotations

import logging
import os
import signal
import tempfile
import threading
import time
from pathlib import Path

import pytest
from job_server import forgetful_job_server, job_server
from tiny_job import TinyMaker, tiny_job

from pipelines.output.folder import RUNNING, Output
from pipelines.running.remote import job as remote
from pipelines.running.remote.attach import attach
from pipelines.running.remote.job import RemoteJob, open_job
from pipelines.running.submit import run_job
from schemas.errors import (
    ConfigError,
    JobError,
    StillRunningError,
    StopRequestedError,
    TerminatedError,
    WorkError,
)
from tests.pipelines.running.test_graph import leftovers, shards
from zoetrope import cli
from zoetrope.samples import pictures

TASKS = 12


@pytest.fixture(autouse=True)
def _quick(monkeypatch):
    monkeypatch.setattr(remote, "LOOK_SECONDS", 0.3)


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    with job_server(tmp_path_factory.mktemp("server")) as (_, options):
        yield options


def job(seconds: float = 0.05):
    return tiny_job(TASKS, maker=TinyMaker(seconds=seconds))


def submit(output: Path, options: list[str], seconds: float = 0.05, **more):
    place = Output(str(output))
    return run_job(
        job(seconds), place, workers=1, overwrite=False, max_failure_ratio=0, beam_args=options, **more
    )


def kept(output: Path) -> RemoteJob:
    found = remote.read_kept(Output(str(output)))
    assert found is not None
    return found


@pytest.fixture
def whole(tmp_path) -> dict[str, bytes]:
    """The shards of the same job on this machine."""
    submit(tmp_path / "whole", [])
    return shards(tmp_path / "whole")


def signalled(number: int, when: Path) -> None:
    """Send this process a signal once a file is there and a moment has passed."""

    def send() -> None:
        while not when.exists():
            time.sleep(0.05)
        time.sleep(0.5)
        os.kill(os.getpid(), number)

    threading.Thread(target=send, daemon=True).start()


def raise_terminated(*_: object) -> None:
    raise TerminatedError


def test_a_job_is_detached_and_the_same_command_attaches(server, whole, tmp_path, caplog, monkeypatch):
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(temporary))
    caplog.set_level(logging.INFO)
    output = tmp_path / "clips"
    with pytest.raises(StillRunningError) as left:
        submit(output, server, detach=True)
    assert left.value.exit_code == 0
    assert kept(output).id in str(left.value)
    assert (output / "_zoetrope" / "tmp").exists(), "the job reads its plan there"
    result = submit(output, server)
    assert "attached to PortableRunner job" in caplog.text
    assert result.exit_code == 0
    assert shards(output) == whole
    assert not leftovers(output)
    assert not (output / "_zoetrope" / RUNNING).exists()
    # Beam's cache of downloaded packages, of all jobs
    assert [path.name for path in temporary.iterdir()] == ["beam-requirements-cache"]


def test_sigterm_leaves_the_job_running(server, whole, tmp_path):
    output = tmp_path / "clips"
    before = signal.signal(signal.SIGTERM, raise_terminated)
    signalled(signal.SIGTERM, output / "_zoetrope" / RUNNING)
    try:
        with pytest.raises(StillRunningError) as left:
            submit(output, server)
    finally:
        signal.signal(signal.SIGTERM, before)
    assert left.value.exit_code == 130
    assert open_job(kept(output)).state() == "RUNNING"
    submit(output, server)
    assert shards(output) == whole


def test_ctrl_c_cancels_the_job_and_waits_for_it(server, whole, tmp_path):
    output = tmp_path / "clips"
    signalled(signal.SIGINT, output / "_zoetrope" / RUNNING)
    with pytest.raises(StopRequestedError) as stopped:
        submit(output, server)
    assert stopped.value.clean
    assert not (output / "_zoetrope" / RUNNING).exists()
    # Beam's local server reports CANCELLED while its worker still makes tasks, which may write to tmp again.
    submit(output, server)
    assert shards(output) == whole


def test_a_runner_that_is_out_of_sight_keeps_its_job(whole, tmp_path, monkeypatch):
    """The submitter cannot ask the runner: it destroys nothing, and says which job runs on."""
    monkeypatch.setattr(remote, "PATIENCE_SECONDS", 1.0)
    output = tmp_path / "clips"
    with job_server(tmp_path) as (process, options):

        def cut() -> None:
            while not (output / "_zoetrope" / RUNNING).exists():
                time.sleep(0.05)
            process.kill()

        threading.Thread(target=cut, daemon=True).start()
        with pytest.raises(
            StillRunningError, match=r"does not answer .*the job runs on: PortableRunner job"
        ) as left:
            submit(output, options)
    assert left.value.exit_code == 1
    assert (output / "_zoetrope" / "tmp").exists()
    with pytest.raises(WorkError, match=r"no server answers there|does not answer"):
        submit(output, options)
    assert (output / "_zoetrope" / "tmp").exists(), "nor does the next command"


def left_behind(output: Path, address: str) -> Output:
    """An output whose job on a runner has lost its submitter."""
    place = Output(str(output))
    remote.keep(place, RemoteJob("SparkRunner", "spark-7", {"job_endpoint": address}))
    return place


def test_a_job_of_a_job_server_that_was_restarted_has_ended(tmp_path):
    with forgetful_job_server() as address:
        output = left_behind(tmp_path, address)
        assert not attach(output, overwrite=False)
    assert remote.read_kept(output) is None


def test_a_plan_that_cannot_be_read_does_not_end_the_wait_for_a_job(tmp_path):
    with forgetful_job_server("RUNNING", "DONE") as address:
        output = left_behind(tmp_path, address)
        (tmp_path / "_zoetrope" / "plan.json").write_text("{")
        assert attach(output, overwrite=False)


def test_a_failed_job_is_forgotten_though_its_runner_does_not_say_why(tmp_path):
    with forgetful_job_server("FAILED") as address:
        output = left_behind(tmp_path, address)
        with pytest.raises(JobError, match="SparkRunner job spark-7 failed"):
            attach(output, overwrite=False)
    assert remote.read_kept(output) is None


def test_overwrite_passes_over_a_job_that_has_failed(tmp_path):
    with forgetful_job_server("FAILED") as address:
        output = left_behind(tmp_path, address)
        assert not attach(output, overwrite=True)
    assert remote.read_kept(output) is None


@pytest.mark.parametrize(
    "job",
    [
        RemoteJob("SparkRunner", "spark-7", {"job_endpoint": "127.0.0.1:9"}),
        RemoteJob("FlinkRunner", "flink-7", {"flink_master": "127.0.0.1:9"}),
    ],
)
def test_a_runner_that_is_gone_for_good_is_one_line_with_the_file_to_remove(tmp_path, monkeypatch, job):
    monkeypatch.setattr(remote, "PATIENCE_SECONDS", 0.1)
    output = Output(str(tmp_path))
    remote.keep(output, job)
    remedy = rf"if that runner is gone for good, remove {output.state(RUNNING)}$"
    with pytest.raises(ConfigError, match=rf"-7.* may still write to it, .*does not answer .*; {remedy}"):
        attach(output, overwrite=True)
    with pytest.raises(StillRunningError, match=rf"does not answer .*; {remedy}"):
        attach(output, overwrite=False)
    assert remote.read_kept(output) == job


def test_overwrite_is_refused_while_a_job_runs(server, tmp_path):
    output = tmp_path / "clips"
    with pytest.raises(StillRunningError):
        submit(output, server, detach=True)
    with pytest.raises(ConfigError, match="writes to it; cancel that job"):
        run_job(job(), Output(str(output)), workers=1, overwrite=True, max_failure_ratio=0, beam_args=server)
    submit(output, server)


def test_a_local_job_cannot_be_detached(tmp_path):
    with pytest.raises(ConfigError, match="--detach: a job on this machine ends with its command"):
        submit(tmp_path / "clips", [], detach=True)
    assert not (tmp_path / "clips").exists()


def test_a_pass_over_the_whole_input_that_was_left_running_is_not_made_again(tmp_path, server, capsys):
    for number, picture in enumerate(pictures(3, long_side=96)):
        (tmp_path / f"{number}.jpg").write_bytes(picture.jpeg)
        (tmp_path / f"{number}.txt").write_text("one caption for all")
    command = [
        "animate",
        str(tmp_path),
        f"output={tmp_path}/clips",
        "clip.size=32",
        "store=still",
        "workers=1",
    ]
    command += ["filters=[{name: repeated_captions, max: 5}]", "--detach", "--", *server]
    for _ in range(2):  # leaves the pass, then the making
        assert cli.main(command) == 0
        assert "the job runs on" in capsys.readouterr().err
    assert cli.main(command) == 0
    assert "nothing is missing" in capsys.readouterr().err
    assert len(list((tmp_path / "clips").glob("*.tar"))) == 1
    left = {path.name for path in (tmp_path / "clips" / "_zoetrope" / "curation").iterdir()}
    assert left == {"rows", "verdicts", "done.json"}
