"""Workers of a pool, forked from a process that has their imports: milliseconds in place of seconds."""

from __future__ import annotations

import ctypes
import sys
import threading
from contextlib import suppress
from multiprocessing import active_children, connection, get_context
from multiprocessing.forkserver import ensure_running
from pathlib import Path

PRELOADED = ("clusters.worker_main", "pipelines.running.launch", "pipelines.animate")
NAME = b"beam-worker"  # of each worker, in /proc/PID/comm; their command lines are those of the fork server
SET_NAME = 15  # prctl(2)


class ForkedWorkers:
    """Runs workers. Each is a child of a fork server, which ends with this process."""

    def __init__(self) -> None:
        self._context = get_context("forkserver")
        self._context.set_forkserver_preload(list(PRELOADED))
        ensure_running()  # now, so that the imports are there when a runner asks for the first worker
        # `start` looks after all processes, as `join` does: two threads must not read one exit code.
        self._lock = threading.Lock()

    def run(self, request: Path) -> int:
        """Start the worker of a request, and wait for its end.

        Returns its exit code, or 1 if the fork server was killed: the next call starts another one.
        """
        process = self._context.Process(target=_work, args=(str(request),))
        try:
            with self._lock:
                process.start()
        except (OSError, EOFError):
            return 1
        connection.wait([process.sentinel])
        with self._lock:
            process.join()
            code = process.exitcode
            process.close()
        if code is None:
            return 1
        return code

    def close(self) -> None:
        """End the workers. The interpreter would wait for them at its exit."""
        with self._lock:
            for process in active_children():
                process.terminate()


def _work(request: str) -> None:
    from clusters.worker_main import main

    with suppress(OSError, AttributeError):  # another system than Linux
        ctypes.CDLL(None).prctl(SET_NAME, NAME)
    sys.exit(main([request]))
