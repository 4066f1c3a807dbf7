"""Which runner a job gets."""

from __future__ import annotations

import pytest

from pipelines.running.engine import choose_runner
from schemas.errors import ConfigError


def test_without_a_runner_the_job_runs_in_this_process():
    choice = choose_runner((), 3)
    assert (choice.is_local, choice.workers) == (True, 3)
    assert choice.describe() == "direct runner, 3 workers"


def test_a_named_runner_gets_its_options_untouched():
    choice = choose_runner(["--runner=SparkRunner", "--job_endpoint=127.0.0.1:8098"], 3)
    assert (choice.is_local, choice.describe()) == (False, "SparkRunner")
    assert choice.options.get_all_options()["job_endpoint"] == "127.0.0.1:8098"


def test_a_flink_job_gets_a_name_to_be_cancelled_by():
    given = choose_runner(["--runner=FlinkRunner", "--job_name=mine"], None)
    assert given.options.get_all_options()["job_name"] == "mine"
    drawn = choose_runner(["--runner=FlinkRunner"], None)
    assert drawn.options.get_all_options()["job_name"].startswith("zoetrope-")


@pytest.mark.parametrize(
    "option", ["--runner=NoSuchRunner", "--direct_running_mode=multi_processing", "--tmp=x"]
)
def test_options_that_cannot_be_used_are_refused(option):
    with pytest.raises(ConfigError):
        choose_runner([option], None)
