"""Beam's options are checked before a job starts: names, values, the runner, and whether its servers answer."""

from __future__ import annotations

import socket
import time
from pathlib import Path

import pytest
from apache_beam.options.pipeline_options import PipelineOptions

from pipelines.running.options import check_endpoints, check_options, check_runner
from schemas.errors import ConfigError, JobError
from zoetrope.arguments import read_runner_config

CONFIGS = sorted((Path(__file__).parents[3] / "configs" / "runners").glob("*.yaml"))


@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: path.stem)
def test_the_options_of_the_shipped_configs_are_known(path):
    check_options(read_runner_config(str(path)))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--runner=NoSuchRunner"], "--runner=NoSuchRunner: Beam has no such runner; it has "),
        (["--runner=FlinkRuner"], "the nearest is FlinkRunner"),
        (["--runner=no.such.Runner"], "--runner=no.such.Runner: cannot be imported: No module named 'no'"),
        (["--runner=json.Runner"], "--runner=json.Runner: cannot be imported"),
        (
            ["--runner=FlinkRunner", "--paralellism=4"],
            "--paralellism is not known; the nearest is --parallelism",
        ),
        (["--tmp_location=x"], "--tmp_location is not known; the nearest is --temp_location"),
        (["--zzzz=1"], "Beam options: --zzzz is not known"),
        (["--direct_num_workers=two"], "argument --direct_num_workers: invalid int value: 'two'"),
        (["runner=FlinkRunner"], "'runner=FlinkRunner' is no option; write it as --name=value"),
    ],
)
def test_a_mistake_is_one_line(arguments, message):
    with pytest.raises(ConfigError) as error:
        check_options(arguments)
    assert message in str(error.value)
    assert "\n" not in str(error.value)


def test_an_option_that_only_a_job_server_knows_passes():
    check_options(["--runner=FlinkRunner", "--execution_mode_for_batch=BATCH_FORCED"])
    with pytest.raises(ConfigError, match="execution_mode_for_batch is not known"):
        check_options(["--execution_mode_for_batch=BATCH_FORCED"])


@pytest.mark.parametrize(
    "name", ["", "direct", "DirectRunner", "flinkrunner", "FnApiRunner", "apache_beam.runners.DirectRunner"]
)
def test_the_runners_that_beam_knows_pass(name):
    check_runner(name)


def test_a_server_that_does_not_answer_is_one_line_within_seconds():
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))  # and never listens
        address = f"127.0.0.1:{closed.getsockname()[1]}"
        start = time.monotonic()
        for given in (["--runner=FlinkRunner", f"--flink_master={address}"],
                      ["--runner=SparkRunner", f"--job_endpoint={address}"]):  # fmt: skip
            with pytest.raises(JobError, match="no server answers there") as error:
                check_endpoints(PipelineOptions(given))
            assert address in str(error.value)
    assert time.monotonic() - start < 10
    with pytest.raises(ConfigError, match="host:port"):
        check_endpoints(PipelineOptions(["--runner=FlinkRunner", "--flink_master=somewhere"]))


def test_servers_that_answer_and_runners_without_one_pass():
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        server.listen()
        address = f"127.0.0.1:{server.getsockname()[1]}"
        check_endpoints(
            PipelineOptions(
                ["--runner=FlinkRunner", f"--flink_master=http://{address}", f"--job_endpoint={address}"]
            )
        )
    check_endpoints(PipelineOptions([]))
    check_endpoints(PipelineOptions(["--runner=FlinkRunner"]))
