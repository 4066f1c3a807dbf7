"""Nothing stays of the files that Beam makes to hand in a job."""

from __future__ import annotations

import tempfile
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


def test_files_are_there_until_the_job_is_handed_in(temporary):
    make = environments.python_sdk_dependencies
    with staged_files():
        artifacts = environments.python_sdk_dependencies(OPTIONS)
        assert artifacts
        assert [path for path in temporary.rglob("*") if path.is_file()]
    assert not list(temporary.iterdir())
    assert environments.python_sdk_dependencies is make


def refused_job() -> None:
    with staged_files():
        environments.python_sdk_dependencies(OPTIONS)
        raise ConnectionRefusedError


def test_nothing_stays_of_a_job_that_cannot_be_handed_in(temporary):
    make = environments.python_sdk_dependencies
    with pytest.raises(ConnectionRefusedError):
        refused_job()
    assert not list(temporary.iterdir())
    assert environments.python_sdk_dependencies is make
