"""Nothing stays of the files that Beam makes to hand in a job."""

from __future__ import annotations

import tempfile
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from apache_beam.options.pipeline_options import PipelineOptions
from apache_beam.transforms import environments

from pipelines.running.remote.staging import staged_files

OPTIONS = PipelineOptions(["--runner=PortableRunner", "--requirements_cache=skip"])


@pytest.fixture
def temporary(tmp_path, monkeypatch) -> Path:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    return tmp_path


def files(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file()]


def test_files_are_there_until_the_job_is_handed_in(temporary):
    with staged_files():
        assert environments.python_sdk_dependencies(OPTIONS)
        assert files(temporary)
    assert not list(temporary.iterdir())


def refused_job() -> None:
    with staged_files():
        environments.python_sdk_dependencies(OPTIONS)
        raise ConnectionRefusedError


def test_nothing_stays_of_a_job_that_cannot_be_handed_in(temporary):
    with pytest.raises(ConnectionRefusedError):
        refused_job()
    assert not list(temporary.iterdir())


def test_threads_hand_in_jobs_at_the_same_time_and_keep_their_own_files(temporary):
    both = threading.Barrier(2, timeout=30)

    def job(last: bool) -> int:
        with staged_files():
            both.wait()  # neither waits for the other's job to end
            environments.python_sdk_dependencies(OPTIONS)
            both.wait()
            if last:
                ended.wait(30)
        if not last:
            left.extend(files(temporary))
            ended.set()
        return 1

    ended, left = threading.Event(), []
    with ThreadPoolExecutor(2) as pool:
        assert sum(pool.map(job, [True, False])) == 2
    assert left
    assert not list(temporary.iterdir())


def test_the_files_of_other_jobs_stay_where_beam_puts_them(temporary):
    with staged_files():
        pass
    environments.python_sdk_dependencies(OPTIONS)
    assert files(temporary)
