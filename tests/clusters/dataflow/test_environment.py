"""What Beam would ask of Dataflow's workers, read from the message that DataflowRunner would send."""

from __future__ import annotations

import pytest

from clusters.dataflow.environment import (
    CONFIG,
    LAUNCHED,
    check_environment,
    config_options,
    faults,
    worker_settings,
)


def test_the_config_and_the_template_have_no_faults(tmp_path):
    assert list(check_environment(tmp_path)) == []


def test_no_capital_word_of_the_config_is_left():
    words = ("PROJECT", "REGION", "BUCKET", "REPOSITORY")
    assert any(word in CONFIG.read_text() for word in words)
    assert not [option for option in config_options() if any(word in option for word in words)]


@pytest.fixture(scope="module")
def bare(tmp_path_factory) -> list[str]:
    """The faults of a job that gives the service's own options alone."""
    return list(faults(worker_settings(tmp_path_factory.mktemp("bare"), LAUNCHED)))


@pytest.mark.parametrize(
    "fault",
    [
        "no_use_multiple_sdk_containers missing",
        "use_multiple_sdk_containers starts one SDK process per core",
        "dataflow_service_options: pause_on_failure missing",
        "workers would run gcr.io/cloud-dataflow/",
        "number_of_worker_harness_threads: 0; must be 1",
        "disk_size_gb: 0",
    ],
)
def test_a_job_with_the_defaults_of_the_service_has_this_fault(bare, fault):
    assert [line for line in bare if fault in line], bare
