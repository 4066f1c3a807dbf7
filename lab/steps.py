"""Steps of the experiment: commands in an order, several at once, each of them once."""

from __future__ import annotations

import ctypes
import json
import logging
import os
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from schemas.errors import WorkError
from schemas.text import duration

LOG = logging.getLogger(__name__)
POLL_SECONDS = 0.2
STOP_SECONDS = 20.0  # that a stopped command has, to end by itself
SET_DEATH_SIGNAL = 1  # PR_SET_PDEATHSIG
TAIL = 400  # characters of a failed command's log in its error


class LabError(WorkError):
    """A step that failed. The message names its log."""


@dataclass(frozen=True)
class Step:
    """One command."""

    name: str  # also of its log and its mark, such as "seed0/animated/pretrain"
    command: tuple[str, ...]
    after: tuple[str, ...] = ()  # names of steps
    cost: float = 1.0  # expected seconds next to those of other steps; for the remaining time
    alone: bool = False  # it uses all cores itself


@dataclass
class Steps:
    """Runs steps in a folder. A step that is marked as done there is not run again."""

    folder: Path
    jobs: int
    threads: int  # of each command
    _running: dict[str, tuple[subprocess.Popen[bytes], float]] = field(default_factory=dict)

    def run(self, steps: Sequence[Step]) -> None:
        """Run all of them. Raises LabError for a command that fails; Ctrl-C stops the commands."""
        left = {step.name: step for step in steps if not self.is_done(step)}
        clock = _Clock(sum(step.cost for step in left.values()), len(left))
        try:
            while left or self._running:
                self._start(left, {step.name: step for step in steps})
                for step, seconds in self._ended(steps):
                    LOG.info(clock.line(step, seconds))
                time.sleep(POLL_SECONDS)
        finally:
            self._stop()

    def is_done(self, step: Step) -> bool:
        """Has the step run to its end here?"""
        return self._mark(step).exists()

    def _start(self, left: dict[str, Step], steps: Mapping[str, Step]) -> None:
        """Start what can be started, in order."""
        for name, step in list(left.items()):
            busy = len(self._running)
            if busy >= self.jobs or (busy and (step.alone or self._one_alone(steps))):
                return
            if any(after in left or after in self._running for after in step.after):
                continue
            del left[name]
            self._running[name] = (self._launch(step), time.monotonic())

    def _one_alone(self, steps: Mapping[str, Step]) -> bool:
        return any(steps[name].alone for name in self._running)

    def _launch(self, step: Step) -> subprocess.Popen[bytes]:
        log = self._log(step)
        log.parent.mkdir(parents=True, exist_ok=True)
        environment = {**os.environ, "OMP_NUM_THREADS": str(self.threads), "PYTHONUNBUFFERED": "1"}
        with log.open("wb") as stream:
            stream.write(f"$ {shlex.join(step.command)}\n".encode())
            stream.flush()
            # A session of its own: Ctrl-C reaches the lab alone, which then stops its commands.
            return subprocess.Popen(  # noqa: S603 - the lab's own commands; no threads run here
                step.command,
                stdin=subprocess.DEVNULL,
                stdout=stream,
                stderr=subprocess.STDOUT,
                env=environment,
                start_new_session=True,
                preexec_fn=_ends_with_parent(),
            )

    def _ended(self, steps: Sequence[Step]) -> list[tuple[Step, float]]:
        """Collect commands that have ended, and mark them. Raises LabError for one that failed."""
        ended = []
        for step in steps:
            process, began = self._running.get(step.name, (None, 0.0))
            if process is None or process.poll() is None:
                continue
            del self._running[step.name]
            if process.returncode != 0:
                words = f"{step.name} failed with exit code {process.returncode}: {self._last_words(step)}"
                raise LabError(f"{words}; its log is {self._log(step)}")
            self._mark(step).parent.mkdir(parents=True, exist_ok=True)
            seconds = time.monotonic() - began
            self._mark(step).write_text(json.dumps({"command": step.command, "seconds": round(seconds, 1)}))
            ended.append((step, seconds))
        return ended

    def _stop(self) -> None:
        """End what still runs: by SIGTERM, and by SIGKILL after a while."""
        for process, _ in self._running.values():
            _signal(process, signal.SIGTERM)
        for process, _ in self._running.values():
            try:
                process.wait(STOP_SECONDS)
            except subprocess.TimeoutExpired:
                _signal(process, signal.SIGKILL)
                process.wait()
        self._running.clear()

    def _last_words(self, step: Step) -> str:
        """Return the last line of a step's log. Progress bars overwrite their line, and are left out."""
        lines = self._log(step).read_text(errors="replace").strip().split("\n")[1:]
        written = [line for line in lines if "\r" not in line.strip("\r")]
        if written:
            return written[-1][-TAIL:]
        return "no output"

    def _log(self, step: Step) -> Path:
        return self.folder / "logs" / f"{step.name}.log"

    def _mark(self, step: Step) -> Path:
        return self.folder / "done" / f"{step.name}.json"


def _ends_with_parent() -> Callable[[], object] | None:
    """Return what makes a new process end when the lab is killed, as the next lab would run it again.

    None where the system has no such thing. Source: prctl(2), Linux.
    """
    if sys.platform != "linux":
        return None
    return partial(ctypes.CDLL(None).prctl, SET_DEATH_SIGNAL, signal.SIGTERM)


def _signal(process: subprocess.Popen[bytes], number: int) -> None:
    with suppress(ProcessLookupError):  # it has just ended
        os.killpg(process.pid, number)


class _Clock:
    """The remaining time, by the pace so far."""

    def __init__(self, cost: float, steps: int) -> None:
        self._cost, self._steps = cost, steps
        self._done_cost, self._done = 0.0, 0
        self._began = time.monotonic()

    def line(self, step: Step, seconds: float) -> str:
        self._done += 1
        self._done_cost += step.cost
        spent = time.monotonic() - self._began
        left = spent * (self._cost - self._done_cost) / self._done_cost
        return (
            f"lab: {self._done} of {self._steps}: {step.name} took {duration(seconds)}; "
            f"about {duration(left)} left"
        )
