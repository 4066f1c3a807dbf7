"""Run a Beam worker pool, a process that starts Python workers (``--environment_type=EXTERNAL``)."""

from __future__ import annotations

import os
import random
import signal
import socket
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Self

START_SECONDS = 240.0  # on a busy machine; most processes start within three
PORTS = range(15_000, 32_000)  # below those that the kernel gives to outgoing connections


class WorkerPool:
    """A pool on a port of loopback.

    The workers that it starts belong to its process group and end with it.
    """

    def __init__(self, log: Path, port: int | None = None) -> None:
        self.port = port or free_port()
        self.address = f"127.0.0.1:{self.port}"
        self._log = log

    def start(self) -> subprocess.Popen[bytes]:
        """Start it and wait until it listens. Raises RuntimeError with the log's path if it does not."""
        command = [sys.executable, "-m", "clusters.pool_main", str(self.port)]
        with self._log.open("wb") as log:
            self.process = subprocess.Popen(  # noqa: S603
                command, stdout=log, stderr=log, start_new_session=True
            )
        wait_for_port(self.port, self.process, self._log)
        return self.process

    def stop(self) -> None:
        """End the pool and all of its workers."""
        stop_group(self.process.pid)
        self.process.wait(10)

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()


def stop_group(group: int, patience: float = 5.0) -> None:
    """Send SIGTERM to a process group, and SIGKILL to what is left of it after `patience` seconds.

    Waits for its end: what was killed runs on for a moment.
    """
    for number in (signal.SIGTERM, signal.SIGKILL):
        try:
            os.killpg(group, number)
        except ProcessLookupError:
            return
        end = time.monotonic() + patience
        while time.monotonic() < end:
            if not group_alive(group):
                return
            time.sleep(0.1)


def group_alive(group: int) -> bool:
    """Does a process of the group still run? Zombies do not."""
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = stat.read_text().rpartition(")")[2].split()
        except (FileNotFoundError, ProcessLookupError):
            continue
        if fields[2] == str(group) and fields[0] != "Z":
            return True
    return False


def free_port() -> int:
    """Find a port of loopback on which nobody listens. No outgoing connection takes it before it is used.

    Raises OSError if there is none.
    """
    for port in random.sample(PORTS, len(PORTS)):
        with socket.socket() as probe, suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port
    raise OSError(f"no port of loopback from {PORTS.start} to {PORTS.stop} is free")


def is_listening(port: int) -> bool:
    """Does somebody listen on this port of loopback?"""
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def wait_for_port(
    port: int, process: subprocess.Popen[bytes] | None, log: Path, seconds: float = START_SECONDS
) -> None:
    """Wait until somebody listens.

    Raises RuntimeError with the log's path if the process ends first or time runs out.
    """
    end = time.monotonic() + seconds
    while not is_listening(port):
        if (process is not None and process.poll() is not None) or time.monotonic() > end:
            raise RuntimeError(f"nothing listens on port {port}: see {log}")
        time.sleep(0.2)
