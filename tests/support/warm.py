"""Processes forked from a server that has loaded torch, Beam and the commands: 0.1 seconds instead of four.

`Command` runs what `python -m zoetrope` runs, from its arguments to its exit code. Kernel, files and signals see a
process like any other; the start of the interpreter and the imports are shared.
"""

from __future__ import annotations

import multiprocessing
import os
import runpy
import signal
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import torch
from torch.multiprocessing.spawn import start_processes

# A process has one fork server, so it loads what any of the tests needs.
CONTEXT = multiprocessing.get_context("forkserver")
CONTEXT.set_forkserver_preload(
    [
        "trainer.fit.train",
        "trainer.index.build",
        "pipelines.animate",
        "pipelines.videos",
        "pipelines.sources.coco",
        "preview.report.report",
        "tests.pipelines.running.test_kill",
    ]
)


class Command:
    """A module that runs as a script, in a session of its own. Its words are in a file."""

    def __init__(
        self,
        arguments: Sequence[str],
        log: Path,
        *,
        module: str = "zoetrope",
        environment: Mapping[str, str] | None = None,
        before: Callable[[], None] | None = None,
    ) -> None:
        """Start it, with stdout and stderr at the end of the file `log`.

        environment: variables over those of this process; before: what the process calls first.
        """
        self._log = log
        variables = {**os.environ, **(environment or {})}
        threads = torch.get_num_threads()  # as in this process, which may compare its numbers
        self._process = CONTEXT.Process(
            target=_run, args=(module, list(arguments), str(log), variables, threads, before or _nothing)
        )
        self._process.start()

    @property
    def pid(self) -> int:
        assert self._process.pid is not None
        return self._process.pid

    @property
    def returncode(self) -> int | None:
        """The exit code, negative for a signal; None while it runs."""
        return self._process.exitcode

    def poll(self) -> int | None:
        """Its exit code, as a Popen has it."""
        return self.returncode

    def send_signal(self, number: int) -> None:
        if self.returncode is None:
            os.kill(self.pid, number)

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)

    def communicate(self, timeout: float = 120) -> str:
        """Wait for its end. Returns what it said."""
        self._process.join(timeout)
        if self.returncode is None:
            self.kill()
            raise TimeoutError(f"it ran for {timeout} more seconds, and said: {self._log.read_text()}")
        return self._log.read_text()


def run_ranks(run_rank: Callable[[int, str], None], folder: str) -> None:
    """Call `run_rank(rank, folder)` in two processes. Raises what one of them raises."""
    start_processes(run_rank, args=(folder,), nprocs=2, start_method="forkserver")


def _run(
    module: str,
    arguments: list[str],
    log: str,
    variables: Mapping[str, str],
    threads: int,
    before: Callable[[], None],
) -> None:
    os.setsid()
    os.environ.clear()
    os.environ.update(variables)
    words = os.open(log, os.O_CREAT | os.O_WRONLY | os.O_APPEND)
    for stream in (1, 2):
        os.dup2(words, stream)
    torch.set_num_threads(threads)
    # A process of the context starts others by a fork server of its own; the loader's workers are forked.
    multiprocessing.set_start_method(None, force=True)
    before()
    sys.argv = [module, *arguments]
    runpy.run_module(module, run_name="__main__", alter_sys=True)


def _nothing() -> None:
    pass
