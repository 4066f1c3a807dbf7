"""A reader process: calls a method that yields, and sends what it yields by the handful.

Parsers of archives, tables and JSON run here, for their bytes may make them spin, crash or outgrow the
memory. A reader may use `seconds` of CPU time from one result to the next, and `memory_mb` more than it held
when the call began. The kernel enforces both.
"""

from __future__ import annotations

import math
import signal
import socket
import time
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Protocol

from pipelines.workers import channel
from pipelines.workers.region import Region
from pipelines.workers.worker import is_memory_error, limit_memory, portable

MOST_ITEMS = 64  # of a handful
MOST_BYTES = 1 << 20  # of the pictures in a handful; a single one may be larger
FLUSH_SECONDS = 0.05  # after the last message, a result is sent at once
TELL_SECONDS = 0.5  # between two messages about the same file
RENEW_SECONDS = 0.05  # between two looks at the clock of CPU time

Progress = Callable[[str], None]  # hears of the file that is read, again and again while it is read


def unwatched(path: str) -> None:
    """The progress of a parser that nobody watches."""


class ReaderTarget(Protocol):
    """The object whose methods a reader calls. Picklable; each call names a method that yields."""

    def watch(self, progress: Progress) -> None:
        """Call `progress` with the path of a file when it is opened, and while reading yields nothing."""


class Sent(StrEnum):
    """The kind of a message from a reader."""

    ITEMS = "items"
    FILE = "file"  # the file that is read from here on
    END = "end"
    MEMORY = "memory"  # the call needed more than it may have; the reader has to be replaced
    ERROR = "error"  # the exception of the call


@dataclass(frozen=True)
class Call:
    """A method of the target and its arguments. `singly`: send each result at once."""

    method: str
    arguments: tuple[Any, ...]
    singly: bool = False


@dataclass(frozen=True)
class ReaderStart:
    """The first message to a reader."""

    target: ReaderTarget
    seconds: float
    memory_mb: int

    def serve(self, connection: socket.socket, region: Region) -> None:
        """Answer calls until the job closes the connection. Raises EOFError then."""
        while True:
            call: Call = channel.receive(connection)
            _Answering(connection, self, call).run()
            signal.setitimer(signal.ITIMER_PROF, 0)


class _Answering:
    """One call under way."""

    def __init__(self, connection: socket.socket, start: ReaderStart, call: Call) -> None:
        self._connection, self._start, self._call = connection, start, call
        self._items: list[Any] = []
        self._bytes = 0
        self._sent = -math.inf  # when the last handful was
        self._renewed = -math.inf
        self._file = ""
        self._told = -math.inf  # when it was

    def run(self) -> None:
        limit_memory(self._start.memory_mb)
        try:
            self._renew()
            self._start.target.watch(self._progress)
            for item in getattr(self._start.target, self._call.method)(*self._call.arguments):
                self._renew()
                self._add(item)
            self._flush()
        except Exception as error:
            limit_memory(None)
            self._flush()
            if is_memory_error(error):
                self._send(Sent.MEMORY, None)
            else:
                self._send(Sent.ERROR, portable(error))
            return
        self._send(Sent.END, None)

    def _add(self, item: Any) -> None:
        self._items.append(item)
        self._bytes += len(getattr(item, "image", None) or b"")
        full = len(self._items) >= MOST_ITEMS or self._bytes >= MOST_BYTES
        if full or self._call.singly or time.monotonic() - self._sent > FLUSH_SECONDS:
            self._flush()

    def _flush(self) -> None:
        if self._items:
            self._send(Sent.ITEMS, self._items)
            self._items, self._bytes = [], 0
            self._sent = time.monotonic()

    def _progress(self, path: str) -> None:
        now = time.monotonic()
        if path != self._file or now - self._told > TELL_SECONDS:
            self._file, self._told = path, now
            self._send(Sent.FILE, path)  # also a sign of life
        self._renew()

    def _renew(self) -> None:
        """Restart the clock of CPU time. The kernel kills the process when it runs out."""
        now = time.monotonic()
        if now - self._renewed > RENEW_SECONDS:
            self._renewed = now
            signal.setitimer(signal.ITIMER_PROF, self._start.seconds)

    def _send(self, kind: Sent, value: Any) -> None:
        channel.send(self._connection, channel.encode((kind, value)))
