"""Run a Spark standalone cluster on this machine: a master, two workers, a Beam worker pool and a job server.

    python -m clusters.spark up | down | fetch

Spark comes from PyPI (`pyspark` holds its jars), Beam's runner from Maven. Both are kept under
``.cache/engines``. Everything listens on loopback. A supervisor restarts lost processes. No docker is needed.
"""

from __future__ import annotations

import argparse
import json
import sys
import urllib.request
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from clusters import supervisor
from clusters.cluster import ANSWER_SECONDS, bring_up, job_server_options, pool_command
from clusters.jars import ENGINES, EngineError, fetch, fetch_from_pypi, java_command, java_options

SPARK = "3.5.7"
# As old as Flink's, for the same reason: see clusters.flink.
BEAM_RUNNER = "org.apache.beam:beam-runners-spark-3:2.62.0"
STATE = ENGINES / "spark-cluster"
MASTER = "org.apache.spark.deploy.master.Master"
WORKER = "org.apache.spark.deploy.worker.Worker"
JOB_SERVER = "org.apache.beam.runners.spark.SparkJobServerDriver"


@dataclass(frozen=True)
class ClusterConfig:
    """Sizes and ports of a cluster."""

    master_port: int = 7077
    ui_port: int = 8080  # the master's web page
    pool_port: int = 50001  # of the Beam worker pool, which starts the Python workers
    job_port: int = 8098  # of the Beam job server
    workers: int = 2
    cores: int = 2  # tasks at a time in each worker
    executor_mb: int = 512
    state: Path = STATE  # folder of logs, executors and the list of processes

    @property
    def ports(self) -> tuple[int, ...]:
        """The fixed ports. All other ports are free ones."""
        return self.master_port, self.ui_port, self.pool_port, self.job_port


def up(config: ClusterConfig | None = None) -> None:
    """Start the cluster and wait until it accepts jobs.

    Raises EngineError after it has stopped every process.
    """
    config = config or ClusterConfig()
    bring_up("spark", config.state, config.ports, lambda: _programs(config), lambda: _has_all_workers(config))


def down(config: ClusterConfig | None = None) -> None:
    """End every process of the cluster; logs stay."""
    supervisor.stop((config or ClusterConfig()).state)


def status(config: ClusterConfig | None = None) -> dict[str, int]:
    """Ask the master for aliveworkers, cores and coresused. Raises OSError if it is not up."""
    config = config or ClusterConfig()
    url = f"http://127.0.0.1:{config.ui_port}/json/"
    with urllib.request.urlopen(url, timeout=ANSWER_SECONDS) as response:
        answer: dict[str, int] = json.load(response)
    return answer


def find_spark() -> Path:
    """Return the folder of Spark's jars, fetched from PyPI once. Raises EngineError."""
    return fetch_from_pypi(f"pyspark=={SPARK}", "deps/jars", ENGINES / f"spark-{SPARK}" / "jars")


def find_runner() -> Path:
    """Return the folder of Beam's runner and its dependencies, fetched from Maven once.

    Raises EngineError.
    """
    return fetch(BEAM_RUNNER, without=("org.slf4j",))


def _programs(config: ClusterConfig) -> dict[str, list[str]]:
    """Compose the commands of a cluster."""
    beam = f"{find_runner().resolve()}/*"
    master = f"spark://127.0.0.1:{config.master_port}"
    jars = ["-cp", _jars()]
    programs = {"master": [*_java(config, "master"), *jars, MASTER, "--host", "127.0.0.1"]}
    programs["master"] += ["--port", str(config.master_port), "--webui-port", str(config.ui_port)]
    for number in range(config.workers):
        name = f"worker-{number}"
        programs[name] = [
            *_java(config, name),
            *jars,
            WORKER,
            "--host",
            "127.0.0.1",
            "--cores",
            str(config.cores),
        ]
        programs[name] += ["--memory", f"{config.executor_mb}m", "--webui-port", "0"]
        programs[name] += ["--work-dir", str(config.state.resolve() / name), master]
    settings = {
        "driver.host": "127.0.0.1",
        "ui.enabled": "false",
        # By default 2: the cores that are known before the executors come.
        "default.parallelism": config.workers * config.cores,
        "executor.memory": f"{config.executor_mb}m",
        "executor.extraClassPath": beam,
        "executor.extraJavaOptions": " ".join(java_options()),
    }
    serve = [f"-Dspark.{name}={value}" for name, value in settings.items()]
    serve += [*jars, JOB_SERVER, f"--spark-master-url={master}"]
    serve += job_server_options(config.job_port, config.state)
    programs["job-server"] = [*_java(config, "job-server"), *serve]
    programs["pool"] = pool_command(config.pool_port, config.state)
    return programs


def _jars() -> str:
    """Fetch all jars, and return the class path. Beam's Guava is newer than Spark's, so Beam is first."""
    java_options()
    return f"{find_runner().resolve()}/*:{find_spark().resolve()}/*"


def _java(config: ClusterConfig, name: str) -> list[str]:
    (config.state / name).mkdir(parents=True, exist_ok=True)
    places = [
        "env",
        "SPARK_LOCAL_IP=127.0.0.1",
        f"SPARK_HOME={find_spark().resolve().parent}",
        "SPARK_SCALA_VERSION=2.12",
    ]
    return [*places, *java_command(512, config.state / name / "log4j.properties")]


def _has_all_workers(config: ClusterConfig) -> bool:
    try:
        return status(config)["aliveworkers"] == config.workers
    except OSError:  # the master listens before it answers
        return False


def main(argv: Sequence[str]) -> int:
    """Run the command. Returns 0, or 1 after one line with the reason."""
    parser = argparse.ArgumentParser(
        prog="python -m clusters.spark", description=(__doc__ or "").partition("\n")[0]
    )
    parser.add_argument("do", choices=["up", "down", "fetch"])
    wanted = parser.parse_args(argv)
    try:
        if wanted.do == "down":
            down()
        elif wanted.do == "fetch":
            _jars()
        else:
            up()
            print(f"up: {', '.join(supervisor.processes(STATE))}; http://127.0.0.1:{ClusterConfig().ui_port}")
            print("zoetrope animate ... --runner-config configs/runners/spark.yaml")
    except (EngineError, OSError, RuntimeError) as error:
        print(f"spark: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
