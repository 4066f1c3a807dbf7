"""A Flink session cluster on this machine: one JobManager, two TaskManagers, a Beam worker pool. No docker.

    python -m runners.flink up | down | status

Flink comes from PyPI (`apache-flink-libraries` holds its jars), Beam's job server from Maven; both are kept under
``.cache/engines``. Everything listens on loopback. A state file lists the process groups that `down` ends.
"""

from __future__ import annotations

import argparse
import json
import shutil
import subprocess
import sys
import tarfile
import tempfile
import time
import urllib.request
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

import yaml

from runners.pools import WorkerPool, group_alive, is_listening, stop_group, wait_for_port

FLINK = "1.20.3"
BEAM = "2.77.0"
CACHE = Path(".cache") / "engines"
JOB_SERVER = CACHE / "beam-flink-job-server.jar"
STATE = CACHE / "flink-cluster"
START_SECONDS = 90.0
# Java 17 hides what Flink's serializers reach into.
OPENED = ("java.lang", "java.lang.invoke", "java.lang.reflect", "java.io", "java.net", "java.nio", "java.util", "java.time")


class EngineError(Exception):
    """What an engine needs cannot be had: one line with the reason."""


@dataclass(frozen=True)
class ClusterConfig:
    """Sizes and ports of a cluster; heaps are small, since pictures live in the Python workers alone."""

    ui_port: int = 8081  # REST and web page
    rpc_port: int = 6123
    pool_port: int = 50000  # of the Beam worker pool, which starts the Python workers of both TaskManagers
    task_managers: int = 2
    slots: int = 2  # per TaskManager
    heap_mb: int = 256  # of tasks, per TaskManager
    state: Path = STATE  # folder of logs, configs and the list of processes


@dataclass
class Running:
    """The process groups of a cluster, by name."""

    groups: dict[str, int] = field(default_factory=dict)


def up(config: ClusterConfig | None = None) -> Running:
    """Start the cluster and wait until every TaskManager has registered. Raises EngineError; then nothing is left running."""
    config = config or ClusterConfig()
    if (config.state / "processes.json").exists():
        raise EngineError(f"a cluster is up already ({config.state}); `make flink-down` stops it")
    for port in (config.ui_port, config.rpc_port, config.pool_port):
        if is_listening(port):
            raise EngineError(f"port {port} is taken; stop what listens there, or give another port")
    java, flink = find_java(), find_flink()
    (config.state / "logs").mkdir(parents=True, exist_ok=True)
    running = Running()
    try:
        master = "org.apache.flink.runtime.entrypoint.StandaloneSessionClusterEntrypoint"
        _start(running, config, "jobmanager", java, flink, master, _master_settings(config), heap_mb=256)
        for number in range(config.task_managers):
            worker = "org.apache.flink.runtime.taskexecutor.TaskManagerRunner"
            settings = _worker_settings(config, number)
            _start(running, config, f"taskmanager-{number}", java, flink, worker, settings, heap_mb=config.heap_mb + 128)
        running.groups["pool"] = WorkerPool(config.state / "logs" / "pool.log", config.pool_port).start().pid
        _save(running, config)
        _wait_for_workers(config)
    except BaseException:
        down(config)
        raise
    return running


def down(config: ClusterConfig | None = None) -> None:
    """End every process of the cluster; logs stay."""
    config = config or ClusterConfig()
    saved = config.state / "processes.json"
    if saved.exists():
        for group in json.loads(saved.read_text()).values():
            stop_group(group)
        saved.unlink()


def start_task_manager(config: ClusterConfig, running: Running, number: int) -> None:
    """Start one again, in place of one that was lost."""
    worker = "org.apache.flink.runtime.taskexecutor.TaskManagerRunner"
    settings = _worker_settings(config, number)
    _start(running, config, f"taskmanager-{number}", find_java(), find_flink(), worker, settings, config.heap_mb + 128)


def status(config: ClusterConfig | None = None) -> dict[str, int]:
    """What the JobManager says: taskmanagers, slots-total, slots-available, jobs-running. Raises OSError if it is not up."""
    config = config or ClusterConfig()
    with urllib.request.urlopen(f"http://127.0.0.1:{config.ui_port}/overview", timeout=5) as response:
        answer: dict[str, int] = json.load(response)
    return answer


def find_java() -> str:
    """Java 11 or newer on the PATH. Raises EngineError."""
    java = shutil.which("java")
    if java is None:
        raise EngineError("no java on the PATH; Flink needs Java 11 or 17")
    return java


def find_flink() -> Path:
    """Folder of Flink's jars, fetched from PyPI once. Raises EngineError."""
    folder = CACHE / f"flink-{FLINK}" / "lib"
    if folder.is_dir():
        return folder
    with tempfile.TemporaryDirectory() as scratch:
        command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--no-binary", ":all:"]
        command += ["--no-build-isolation", "--dest", scratch, f"apache-flink-libraries=={FLINK}"]
        done = subprocess.run(command, capture_output=True, text=True)  # noqa: S603 - our own arguments
        found = list(Path(scratch).glob("*.tar.gz"))
        if not found:
            raise EngineError(f"Flink {FLINK} cannot be had from PyPI: {_last_line(done.stderr)}")
        _unpack(found[0], folder)
    return folder


def _unpack(archive: Path, folder: Path) -> None:
    part = folder.with_name("lib.part")
    part.mkdir(parents=True, exist_ok=True)
    with tarfile.open(archive) as tar:
        for member in tar:
            if member.isfile() and "/deps/lib/" in member.name:
                source = tar.extractfile(member)
                if source is not None:
                    with (part / Path(member.name).name).open("wb") as target:
                        shutil.copyfileobj(source, target)
    part.rename(folder)


def find_job_server() -> Path:
    """The jar of Beam's job server, fetched from Maven once. Raises EngineError if Maven has none."""
    if JOB_SERVER.exists():
        return JOB_SERVER
    maven = shutil.which("mvn")
    if maven is None:
        raise EngineError(f"no mvn on the PATH to fetch Beam's job server; put its jar at {JOB_SERVER}")
    artifact = f"org.apache.beam:beam-runners-flink-{FLINK.rpartition('.')[0]}-job-server:{BEAM}"
    plugin = "org.apache.maven.plugins:maven-dependency-plugin:3.6.1:copy"
    command = [maven, "-B", "-q", plugin, f"-Dartifact={artifact}", f"-DoutputDirectory={CACHE}", "-Dmdep.stripVersion=true"]
    done = subprocess.run(command, capture_output=True, text=True)  # noqa: S603 - our own arguments
    fetched = CACHE / f"{artifact.split(':')[1]}.jar"
    if not fetched.exists():
        raise EngineError(f"Maven has no {artifact}: put the jar of Beam's job server at {JOB_SERVER}, or use another version")
    if done.returncode == 0:
        fetched.rename(JOB_SERVER)
    return JOB_SERVER


def _start(
    running: Running,
    config: ClusterConfig,
    name: str,
    java: str,
    flink: Path,
    main: str,
    settings: dict[str, object],
    heap_mb: int,
) -> None:
    folder = config.state / name
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "config.yaml").write_text(yaml.safe_dump(settings))
    (folder / "log4j.properties").write_text(
        "rootLogger.level = INFO\nrootLogger.appenderRef.out.ref = Out\nappender.out.name = Out\nappender.out.type = CONSOLE\n"
        "appender.out.layout.type = PatternLayout\nappender.out.layout.pattern = %d %-5p %c{1} - %m%n\n"
    )
    opened = [f"--add-opens=java.base/{package}=ALL-UNNAMED" for package in OPENED]
    command = [java, f"-Xmx{heap_mb}m", "-XX:MaxMetaspaceSize=192m", "-XX:+UseSerialGC", *opened]
    command += [f"-Dlog4j.configurationFile={folder / 'log4j.properties'}", "-cp", f"{flink.resolve()}/*", main]
    with (config.state / "logs" / f"{name}.log").open("wb") as log:
        process = subprocess.Popen(  # noqa: S603 - our own arguments
            [*command, "--configDir", str(folder)], stdout=log, stderr=log, start_new_session=True
        )
    running.groups[name] = process.pid
    _save(running, config)
    if name == "jobmanager":
        wait_for_port(config.ui_port, process, config.state / "logs" / f"{name}.log", START_SECONDS)


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
        "heartbeat.interval": 1000,  # a lost TaskManager is noticed within seconds, not within a minute
        "heartbeat.timeout": 8000,
        "restart-strategy.type": "fixed-delay",
        "restart-strategy.fixed-delay.attempts": 10,
        "restart-strategy.fixed-delay.delay": "1s",
        "io.tmp.dirs": str((config.state / "tmp").resolve()),
    }


def _worker_settings(config: ClusterConfig, number: int) -> dict[str, object]:
    """Every part of a TaskManager's memory by itself: started without Flink's scripts, it works none out."""
    return {
        **_master_settings(config),
        "taskmanager.host": "127.0.0.1",
        "taskmanager.bind-host": "127.0.0.1",
        "taskmanager.resource-id": f"taskmanager-{number}-{int(time.time() * 1000)}",
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


def _wait_for_workers(config: ClusterConfig) -> None:
    end = time.monotonic() + START_SECONDS
    while status(config)["taskmanagers"] < config.task_managers:
        if time.monotonic() > end:
            raise EngineError(f"the TaskManagers do not register: see {config.state / 'logs'}")
        time.sleep(0.5)


def _save(running: Running, config: ClusterConfig) -> None:
    (config.state / "processes.json").write_text(json.dumps(asdict(running)["groups"]))


def _last_line(text: str) -> str:
    lines = [line for line in text.splitlines() if line.strip()]
    return lines[-1] if lines else "no reason was given"


def main(argv: Sequence[str]) -> int:
    """The command. 0 done, 1 with one line that says why not."""
    parser = argparse.ArgumentParser(prog="python -m runners.flink", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("do", choices=["up", "down", "status"])
    wanted = parser.parse_args(argv)
    try:
        if wanted.do == "down":
            down()
        elif wanted.do == "status":
            print(json.dumps(status()))
        else:
            running = up()
            alive = ", ".join(name for name, group in running.groups.items() if group_alive(group))
            print(f"up: {alive}; http://127.0.0.1:{ClusterConfig().ui_port}")
            find_job_server()
            print("zoetrope animate ... --runner-config configs/runners/flink.yaml")
    except (EngineError, OSError, RuntimeError) as error:
        print(f"flink: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
