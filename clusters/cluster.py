"""Bring up the processes of a cluster, whatever the engine: the parts that Flink and Spark have in common."""

from __future__ import annotations

import shutil
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from clusters import supervisor
from clusters.jars import EngineError
from clusters.pools import is_listening

START_SECONDS = 300.0  # on a busy machine; else it takes about ten
ANSWER_SECONDS = 30.0  # for one question to a master
LOOK_SECONDS = 0.5

Programs = Mapping[str, Sequence[str]]  # name of a process -> its command


def bring_up(
    engine: str,
    state: Path,
    ports: Sequence[int],
    programs: Callable[[], Programs],
    is_complete: Callable[[], bool],
    *,
    seconds: float = START_SECONDS,
) -> None:
    """Start the processes of a cluster and wait until all ports listen and `is_complete` holds.

    `state` is the cluster's folder of logs and processes. Raises EngineError after it has stopped every
    process: a cluster is up already, a port is taken, or the cluster is not complete within `seconds`.
    """
    if supervisor.processes(state):
        raise EngineError(f"a cluster is up already ({state}); `make {engine}-down` stops it")
    for port in ports:
        if is_listening(port):
            raise EngineError(f"port {port} is taken; stop the program on it, or give another port")
    try:
        supervisor.start(state, programs())
        _wait(state, lambda: all(map(is_listening, ports)) and is_complete(), seconds)
    except BaseException:
        supervisor.stop(state)
        raise


def _wait(state: Path, is_up: Callable[[], bool], seconds: float) -> None:
    end = time.monotonic() + seconds
    while not is_up():
        if time.monotonic() > end:
            raise EngineError(f"the cluster does not come up: see {state / 'logs'}")
        time.sleep(LOOK_SECONDS)


def pool_command(port: int, state: Path) -> list[str]:
    """Return the command of the Beam worker pool. Forgets the workers of an earlier cluster."""
    waiting = state / "waiting"
    shutil.rmtree(waiting, ignore_errors=True)
    return [sys.executable, "-m", "clusters.pool_main", str(port), str(waiting)]


def job_server_options(port: int, state: Path) -> list[str]:
    """Return the options of Beam's job server that are the same for every engine."""
    return [
        "--job-host=127.0.0.1",
        f"--job-port={port}",
        "--artifact-port=0",
        "--expansion-port=-1",
        f"--artifacts-dir={state / 'artifacts'}",
    ]
