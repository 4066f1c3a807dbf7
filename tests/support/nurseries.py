"""Nurseries forked from a process that has their imports: milliseconds instead of half a second of CPU time each.

The kernel, the job and the workers see a nursery like any other. Its interpreter's start is what is shared. Its
environment, folder, import path and output are those of the moment at which the job starts it.
"""

from __future__ import annotations

import importlib
import json
import os
import select
import signal
import socket
import struct
import subprocess
import sys
from collections.abc import Sequence
from contextlib import suppress

from pipelines.making.pools import CLIP_MODULES, VIDEO_MODULES
from pipelines.workers.nursery import ONE_THREAD, SYSTEM_ALLOCATOR

PROCESS = struct.Struct("=i")
FILES = 3  # of a nursery: its control socket, stdout and stderr
LONGEST = 100_000  # bytes of a request


class Nest:
    """The process that forks nurseries. It ends with this process."""

    def __init__(self) -> None:
        self._channel, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        code = f"import sys; sys.path[:] = {sys.path!r}; import nurseries; nurseries.serve({theirs.fileno()})"
        with theirs:
            self._process = subprocess.Popen(
                [sys.executable, "-c", code],
                pass_fds=[theirs.fileno()],
                env=_environment(),
                stdin=subprocess.DEVNULL,
            )

    def start(self, control: socket.socket, modules: Sequence[str]) -> Forked:
        """Stands for `pipelines.workers.nursery._start_process`."""
        request = {
            "modules": ",".join(modules),
            "path": sys.path,
            "folder": os.getcwd(),
            "environment": _environment(),
        }
        socket.send_fds(self._channel, [json.dumps(request).encode()], [control.fileno(), 1, 2])
        return Forked(PROCESS.unpack(self._channel.recv(PROCESS.size))[0])

    def close(self) -> None:
        self._channel.close()
        self._process.wait()


class Forked:
    """A process that is no child of this one."""

    def __init__(self, pid: int) -> None:
        self.pid = pid
        self._handle = os.pidfd_open(pid)

    def wait(self) -> None:
        if self._handle >= 0:
            select.select([self._handle], [], [])
            os.close(self._handle)
            self._handle = -1


def _environment() -> dict[str, str]:
    return {**os.environ, **dict.fromkeys(ONE_THREAD, "1"), **SYSTEM_ALLOCATOR}


def serve(channel: int) -> None:
    """Fork nurseries until nobody asks for more."""
    for module in (*CLIP_MODULES, *VIDEO_MODULES):
        with suppress(ModuleNotFoundError):  # a machine for GPU work may have no `av`
            importlib.import_module(module)
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)
    signal.signal(signal.SIGCHLD, _reap)
    asked = socket.socket(fileno=channel)
    while True:
        request, files, _, _ = socket.recv_fds(asked, LONGEST, FILES)
        if not request:
            return
        process = os.fork()
        if not process:
            asked.close()
            _become_nursery(json.loads(request), files)
        for file in files:
            os.close(file)
        asked.sendall(PROCESS.pack(process))


def _reap(*_: object) -> None:
    with suppress(ChildProcessError):
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass


def _become_nursery(request: dict, files: list[int]) -> None:
    from pipelines.workers.nursery import main

    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    control, out, err = files
    for file, number in ((out, 1), (err, 2)):
        os.dup2(file, number)
        os.close(file)
    os.chdir(request["folder"])
    os.environ.clear()
    os.environ.update(request["environment"])
    sys.path[:] = request["path"]
    try:
        main(str(control), request["modules"])
    except BaseException:
        sys.excepthook(*sys.exc_info())
    finally:
        os._exit(1)
