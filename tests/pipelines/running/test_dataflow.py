"""The options that a template's launcher adds for its workers."""

from __future__ import annotations

import pytest

from pipelines.running.dataflow import RUNNER, with_defaults
from schemas.errors import ConfigError

LAUNCHED = [f"--runner={RUNNER}", "--region=us-central1"]


def test_the_launcher_names_its_own_image_and_one_process_per_vm():
    added = with_defaults(LAUNCHED, "images/zoetrope:1")[len(LAUNCHED) :]
    assert "--sdk_container_image=images/zoetrope:1" in added
    assert "--sdk_location=container" in added
    assert "--experiments=no_use_multiple_sdk_containers" in added
    assert "--number_of_worker_harness_threads=1" in added
    assert "--disk_size_gb=50" in added


def test_given_options_are_kept():
    given = [
        "--sdk_container_image=mine:2",
        "--sdk_location=container",
        "--number_of_worker_harness_threads=3",
        "--disk_size_gb=80",
        "--experiments=use_runner_v2,use_multiple_sdk_containers",
        "--dataflow_service_options=pause_on_failure",
    ]
    assert with_defaults([*LAUNCHED, *given], "images/zoetrope:1") == [*LAUNCHED, *given]


def test_without_any_image_the_job_is_refused():
    with pytest.raises(ConfigError, match="--build-arg IMAGE"):
        with_defaults(LAUNCHED, None)


@pytest.mark.parametrize("runner", [[], ["--runner=FlinkRunner"]])
def test_other_runners_are_left_as_they_are(runner):
    assert with_defaults(runner, None) == runner
