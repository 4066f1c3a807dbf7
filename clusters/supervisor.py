"""Keep the processes of an engine up: start each, restart it when it ends, and end all of them on SIGTERM.

On a cluster systemd or Kubernetes does this. The supervisor's folder holds ``programs.json`` (name ->
command), ``processes.json`` (name -> process group, "supervisor" among them, while it runs) and
``logs/NAME.log``.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from clusters.pools import START_SECONDS, stop_group

LOOK_SECONDS = 0.2
AGAIN_SECONDS = 1.0  # before a program that ended is restarted
STOP_SECONDS = 30.0  # for the supervisor to end its programs
SUPERVISOR = "supervisor"


def start(folder: Path, programs: Mapping[str, Sequence[str]]) -> None:
    """Start a supervisor of these commands and wait until it has started them.

    Raises RuntimeError with its log's path.
    """
    (folder / "logs").mkdir(parents=True, exist_ok=True)
    for log in (folder / "logs").iterdir():  # of an earlier cluster
        log.unlink()
    (folder / "programs.json").write_text(
        json.dumps({name: list(command) for name, command in programs.items()}, indent=1)
    )
    log = folder / "logs" / f"{SUPERVISOR}.log"
    command = [sys.executable, "-m", "clusters.supervisor", str(folder)]
    with log.open("wb") as stream:
        process = subprocess.Popen(  # noqa: S603
            command, stdout=stream, stderr=stream, start_new_session=True
        )
    end = time.monotonic() + START_SECONDS
    while not set(programs) <= set(processes(folder)):
        if process.poll() is not None or time.monotonic() > end:
            raise RuntimeError(f"the supervisor does not start: see {log}")
        time.sleep(LOOK_SECONDS)


def stop(folder: Path) -> None:
    """End the supervisor and with it all of its programs; logs stay. Does nothing if none runs."""
    groups = processes(folder)
    if SUPERVISOR in groups:
        stop_group(groups[SUPERVISOR], STOP_SECONDS)
    for group in groups.values():  # they survive a supervisor that was killed
        stop_group(group)
    (folder / "processes.json").unlink(missing_ok=True)


def processes(folder: Path) -> dict[str, int]:
    """Read the current process groups by name. A restarted program has a new one."""
    saved = folder / "processes.json"
    if not saved.exists():
        return {}
    found: dict[str, int] = json.loads(saved.read_text())
    return found


class _Supervisor:
    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._programs: dict[str, list[str]] = json.loads((folder / "programs.json").read_text())
        self._running: dict[str, subprocess.Popen[bytes]] = {}

    def run(self) -> None:
        """Start the programs and restart what ends, until SIGTERM."""
        try:
            for name in self._programs:
                self._start(name)
            while True:
                time.sleep(LOOK_SECONDS)
                for name, process in self._running.items():
                    if process.poll() is not None:
                        print(f"{name} ended with {process.returncode}; it is restarted", flush=True)
                        stop_group(process.pid)  # the children that it left behind
                        time.sleep(AGAIN_SECONDS)
                        self._start(name)
        finally:
            for process in self._running.values():
                process.terminate()  # ask all at once, then wait for one after another
            for process in self._running.values():
                stop_group(process.pid)

    def _start(self, name: str) -> None:
        with (self._folder / "logs" / f"{name}.log").open("ab") as log:
            self._running[name] = subprocess.Popen(  # noqa: S603 - our own programs
                self._programs[name], stdout=log, stderr=log, start_new_session=True
            )
        groups = {SUPERVISOR: os.getpid(), **{name: process.pid for name, process in self._running.items()}}
        part = self._folder / "processes.json.part"
        part.write_text(json.dumps(groups, indent=1))
        part.rename(self._folder / "processes.json")


def main(argv: Sequence[str]) -> int:
    """Run the programs of the folder `argv[0]` until SIGTERM."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    _Supervisor(Path(argv[0])).run()
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
