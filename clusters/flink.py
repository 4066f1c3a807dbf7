"""Run a Flink session cluster on this machine: JobManager, two TaskManagers, Beam worker pool and job server.

    python -m clusters.flink up | down | status | fetch

Flink comes from PyPI (`apache-flink-libraries` holds its jars), Beam's runner from Maven; both are kept under
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

import yaml

from clusters import supervisor
from clusters.cluster import ANSWER_SECONDS, bring_up, job_server_options, pool_command
from clusters.jars import ENGINES, EngineError, fetch, fetch_from_pypi, java_command, java_options, job_server

FLINK = "1.20.3"
# The runner is older than the Python SDK and the cluster: it is the newest one that the Maven repository
# served whole. The portability protocol between runner and SDK is stable, and Flink 1.20 has every call that
# a runner for 1.19 makes. `make test-flink` tests this pair.
BEAM_RUNNER = "org.apache.beam:beam-runners-flink-1.19:2.62.0"
FLINKS_OWN = (
    "org.apache.flink",
    "com.esotericsoftware.kryo",
    "com.esotericsoftware.minlog",
    "org.objenesis",
    "com.twitter",
)
STATE = ENGINES / "flink-cluster"
MASTER = "org.apache.flink.runtime.entrypoint.StandaloneSessionClusterEntrypoint"
WORKER = "org.apache.flink.runtime.taskexecutor.TaskManagerRunner"
JOB_SERVER = "org.apache.beam.runners.flink.FlinkJobServerDriver"


@dataclass(frozen=True)
class ClusterConfig:
    """Sizes and ports of a cluster. Heaps are small, because pictures exist in the Python workers only."""

    ui_port: int = 8081  # REST and web page
    rpc_port: int = 6123
    pool_port: int = 50000  # of the Beam worker pool, which starts the workers of both TaskManagers
    job_port: int = 8099  # of the Beam job server
    task_managers: int = 2
    slots: int = 2  # per TaskManager
    heap_mb: int = 256  # of tasks, per TaskManager
    pause: str = "1s"  # before the first restart of a job; each further one waits twice as long
    state: Path = STATE  # folder of logs, configs and the list of processes

    @property
    def ports(self) -> tuple[int, ...]:
        """The fixed ports. All other ports are free ones."""
        return self.ui_port, self.rpc_port, self.pool_port, self.job_port


def up(config: ClusterConfig | None = None) -> None:
    """Start the cluster and wait until it accepts jobs.

    Raises EngineError after it has stopped every process.
    """
    config = config or ClusterConfig()
    bring_up(
        "flink", config.state, config.ports, lambda: _programs(config), lambda: _has_all_task_managers(config)
    )


def down(config: ClusterConfig | None = None) -> None:
    """End every process of the cluster; logs stay."""
    supervisor.stop((config or ClusterConfig()).state)


def status(config: ClusterConfig | None = None) -> dict[str, int]:
    """Ask the JobManager for taskmanagers, slots-total, slots-available and jobs-running.

    Raises OSError if it is not up.
    """
    config = config or ClusterConfig()
    url = f"http://127.0.0.1:{config.ui_port}/overview"
    with urllib.request.urlopen(url, timeout=ANSWER_SECONDS) as response:
        answer: dict[str, int] = json.load(response)
    return answer


def find_flink() -> Path:
    """Return the folder of Flink's jars, fetched from PyPI once. Raises EngineError."""
    return fetch_from_pypi(f"apache-flink-libraries=={FLINK}", "deps/lib", ENGINES / f"flink-{FLINK}" / "lib")


def find_runner() -> Path:
    """Return the folder of Beam's runner and its dependencies without Flink, fetched from Maven once.

    Raises EngineError.
    """
    return fetch(BEAM_RUNNER, without=FLINKS_OWN)


def find_job_server() -> Path:
    """Write the jar of Beam's job server, for `java -jar` and ``--flink_job_server_jar``.

    Raises EngineError.
    """
    return job_server(find_runner(), JOB_SERVER, find_flink())


def _programs(config: ClusterConfig) -> dict[str, list[str]]:
    """Compose the commands of a cluster and write their settings into its folder."""
    jars = ["-cp", _jars()]
    programs = {"jobmanager": [*_java(config, "jobmanager", 256, _master_settings(config)), *jars, MASTER]}
    for number in range(config.task_managers):
        name = f"taskmanager-{number}"
        programs[name] = [*_java(config, name, config.heap_mb + 128, _worker_settings(config)), *jars, WORKER]
    for name in list(programs):
        programs[name] += ["--configDir", str(config.state / name)]
    serve = [f"--flink-master=127.0.0.1:{config.ui_port}", *job_server_options(config.job_port, config.state)]
    programs["job-server"] = [*_java(config, "job-server", 256, {}), *jars, JOB_SERVER, *serve]
    programs["pool"] = pool_command(config.pool_port, config.state)
    return programs


def _jars() -> str:
    """Fetch all jars, and return the class path."""
    java_options()
    return f"{find_flink().resolve()}/*:{find_runner().resolve()}/*"


def _java(config: ClusterConfig, name: str, heap_mb: int, settings: dict[str, object]) -> list[str]:
    folder = config.state / name
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "config.yaml").write_text(yaml.safe_dump(settings))
    return java_command(heap_mb, folder / "log4j.properties")


def _master_settings(config: ClusterConfig) -> dict[str, object]:
    return {
        "jobmanager.rpc.address": "127.0.0.1",
        "jobmanager.rpc.port": config.rpc_port,
        "jobmanager.bind-host": "127.0.0.1",
        "jobmanager.memory.process.size": "768m",
        "rest.address": "127.0.0.1",
        "rest.bind-address": "127.0.0.1",
        "rest.port": config.ui_port,
        "blob.server.port": "0",
        # A TaskManager that has died is noticed when two heartbeats cannot be sent. One that is silent may be
        # waiting for a busy machine: it has 50 seconds, Flink's default.
        "heartbeat.interval": 1000,
        # A lost worker restarts only the subtasks that depended on it.
        "jobmanager.execution.failover-strategy": "region",
        # Five restarts, within 31 seconds by default, end a job whose output cannot be written. A minute
        # without a loss resets the count.
        "restart-strategy.type": "exponential-delay",
        "restart-strategy.exponential-delay.initial-backoff": config.pause,
        "restart-strategy.exponential-delay.backoff-multiplier": 2.0,
        "restart-strategy.exponential-delay.max-backoff": "30s",
        "restart-strategy.exponential-delay.reset-backoff-threshold": "1min",
        "restart-strategy.exponential-delay.attempts-before-reset-backoff": 5,
        "web.tmpdir": str((config.state / "tmp").resolve()),
        "io.tmp.dirs": str((config.state / "tmp").resolve()),
    }


def _worker_settings(config: ClusterConfig) -> dict[str, object]:
    """Set each part of a TaskManager's memory.

    Flink's start scripts, which derive them, are not used here.
    """
    return {
        **_master_settings(config),
        "taskmanager.host": "127.0.0.1",
        "taskmanager.bind-host": "127.0.0.1",
        "taskmanager.numberOfTaskSlots": config.slots,
        "taskmanager.cpu.cores": float(config.slots),
        "taskmanager.memory.framework.heap.size": "128m",
        "taskmanager.memory.framework.off-heap.size": "64m",
        "taskmanager.memory.task.heap.size": f"{config.heap_mb}m",
        "taskmanager.memory.task.off-heap.size": "0m",
        "taskmanager.memory.managed.size": "64m",
        "taskmanager.memory.network.min": "64m",
        "taskmanager.memory.network.max": "64m",
        "taskmanager.memory.jvm-metaspace.size": "192m",
        "taskmanager.memory.jvm-overhead.min": "64m",
        "taskmanager.memory.jvm-overhead.max": "64m",
    }


def _has_all_task_managers(config: ClusterConfig) -> bool:
    try:
        return status(config)["taskmanagers"] == config.task_managers
    except OSError:  # the JobManager answers 503 until it has elected itself
        return False


def main(argv: Sequence[str]) -> int:
    """Run the command. Returns 0, or 1 after one line with the reason."""
    parser = argparse.ArgumentParser(
        prog="python -m clusters.flink", description=(__doc__ or "").partition("\n")[0]
    )
    parser.add_argument("do", choices=["up", "down", "status", "fetch"])
    wanted = parser.parse_args(argv)
    try:
        if wanted.do == "down":
            down()
        elif wanted.do == "status":
            print(json.dumps(status()))
        elif wanted.do == "fetch":
            _jars()
        else:
            up()
            print(f"up: {', '.join(supervisor.processes(STATE))}; http://127.0.0.1:{ClusterConfig().ui_port}")
            print("zoetrope animate ... --runner-config configs/runners/flink.yaml")
    except (EngineError, OSError, RuntimeError) as error:
        print(f"flink: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
