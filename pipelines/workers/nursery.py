"""The nursery: a small process that imports what workers need once, and forks a worker on request.

A fork takes milliseconds where a new interpreter takes most of a second, so a worker that was killed costs
little. The nursery starts as a new interpreter and has one thread, so that forking from it is safe. The
process of the job, which has many threads, is never forked. The pools of the standard library import the main
module of their parent again in every child. In a Beam worker that module is Beam's harness. The nursery
imports only the modules that it is given.

It ends when the job's end of the control socket closes, which the kernel does however the job ended. It kills
its workers first; and a worker asks the kernel to be killed when the nursery ends.
"""

from __future__ import annotations

import ctypes
import gc
import importlib
import os
import signal
import socket
import struct
import subprocess
import sys
import threading
from collections.abc import Sequence
from contextlib import suppress
from typing import NoReturn

from schemas.errors import JobError

REQUEST = struct.Struct("=ci")  # what to do, process id (0 for FORK)
ANSWER = struct.Struct("=i")  # process id, or the exit status that waitpid gave
FORK, WAIT = b"f", b"w"
FILES = 2  # that a worker is forked with: its socket, and the memory that it shares with the job
PR_SET_PDEATHSIG = 1  # of prctl(2)
BOOT = (
    "import sys; sys.path[:] = sys.argv[3:]; "
    "from pipelines.workers.nursery import main; main(sys.argv[1], sys.argv[2])"
)
STARTS = 3  # of the process, before the job gives up
SYSTEM_ALLOCATOR = {"ARROW_DEFAULT_MEMORY_POOL": "system"}  # its own reserves gigabytes beyond the limit
ONE_THREAD = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
LEFT_TO_THE_JOB = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)  # it stops its workers itself


def _start_process(control: socket.socket, modules: Sequence[str]) -> subprocess.Popen[bytes]:
    """Start the process. `control` is its end of the control socket.

    `modules` are imported before the first fork.
    """
    environment = {**os.environ, **dict.fromkeys(ONE_THREAD, "1"), **SYSTEM_ALLOCATOR}
    command = [sys.executable, "-c", BOOT, str(control.fileno()), ",".join(modules), *sys.path]
    return subprocess.Popen(  # noqa: S603 - this interpreter, and module names of ours
        command, pass_fds=[control.fileno()], env=environment, stdin=subprocess.DEVNULL
    )


class Nursery:
    """The job's handle of the process. Thread-safe. It starts the process again if that was killed."""

    def __init__(self, modules: Sequence[str]) -> None:
        self._modules = tuple(modules)
        self._lock = threading.Lock()
        self._closed = False
        self._start()

    def fork(self, memory: int) -> tuple[int, socket.socket]:
        """A new worker: its process id and our end of its socket.

        `memory` is the descriptor of a file that the worker maps (`pipelines.workers.region`). Raises
        JobError if no process can be started.
        """
        ours, theirs = socket.socketpair()
        try:
            return self._ask(FORK, 0, [theirs.fileno(), memory]), ours
        except BaseException:
            ours.close()
            raise
        finally:
            theirs.close()

    def wait(self, process: int) -> int:
        """Return the exit status of a worker that has ended, as `os.waitpid` gives it.

        It is SIGKILL's if the nursery has ended too.
        """
        with self._lock, suppress(OSError):
            return self._exchange(WAIT, process, [])
        return int(signal.SIGKILL)

    def close(self) -> None:
        """End the process and every worker."""
        with self._lock:
            self._closed = True
            self._end()

    def _ask(self, action: bytes, process: int, files: list[int]) -> int:
        with self._lock:
            for _ in range(STARTS):
                if self._closed:
                    break
                try:
                    return self._exchange(action, process, files)
                except OSError:  # it was killed: by the system for want of memory, or by a person
                    self._end()
                    self._start()
        raise JobError(
            "worker processes cannot be started; see what Python printed above, and free some memory"
        )

    def _exchange(self, action: bytes, process: int, files: list[int]) -> int:
        message = [REQUEST.pack(action, process)]
        if files:
            socket.send_fds(self._control, message, files)
        else:
            self._control.sendall(message[0])
        answer = self._control.recv(ANSWER.size, socket.MSG_WAITALL)
        if len(answer) < ANSWER.size:
            raise ConnectionResetError
        return int(ANSWER.unpack(answer)[0])

    def _start(self) -> None:
        self._control, theirs = socket.socketpair()
        with theirs:
            self._process = _start_process(theirs, self._modules)

    def _end(self) -> None:
        self._control.close()
        self._process.wait()


def main(control: str, modules: str) -> NoReturn:
    """The nursery's body: answer requests until the job is gone."""
    for number in LEFT_TO_THE_JOB:
        signal.signal(number, signal.SIG_IGN)
    channel = socket.socket(fileno=int(control))
    gc.disable()  # modules stay to the end: collections would find nothing
    for module in filter(None, modules.split(",")):
        importlib.import_module(module)
    gc.enable()
    gc.collect()
    gc.freeze()  # else a collection in a worker copies the pages of every object that it shares
    workers: set[int] = set()
    with suppress(ConnectionError):
        while request := _request(channel):
            action, process, files = request
            if action == FORK and len(files) == FILES:
                process = _fork(channel, *files)
                workers.add(process)
                channel.sendall(ANSWER.pack(process))
            else:
                if process in workers:
                    status = os.waitpid(process, 0)[1]
                else:
                    status = int(signal.SIGKILL)
                workers.discard(process)
                channel.sendall(ANSWER.pack(status))
    for process in workers:
        os.kill(process, signal.SIGKILL)
    os._exit(0)


def _request(channel: socket.socket) -> tuple[bytes, int, list[int]] | None:
    """(action, process id, the new worker's socket and memory), or None if the job is gone."""
    message, files, _, _ = socket.recv_fds(channel, REQUEST.size, FILES)
    if len(message) < REQUEST.size:
        return None
    action, process = REQUEST.unpack(message)
    return action, process, files


def _fork(channel: socket.socket, connection: int, memory: int) -> int:
    nursery = os.getpid()
    process = os.fork()
    if process:
        os.close(connection)
        os.close(memory)
        return process
    try:
        channel.close()
        die_with_parent(nursery)
        from pipelines.workers.worker import serve

        serve(socket.socket(fileno=connection), memory)
    except BaseException:
        sys.excepthook(*sys.exc_info())
    finally:
        os._exit(1)


def die_with_parent(parent: int) -> None:
    """Have the kernel kill this process when its parent ends.

    Only Linux knows how; elsewhere the parent kills.
    """
    with suppress(OSError, AttributeError):
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:  # it ended before the kernel was asked
        os._exit(1)
