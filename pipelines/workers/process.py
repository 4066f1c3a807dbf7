"""One worker process as the job sees it: give it handfuls, take its answers, end it."""

from __future__ import annotations

import os
import select
import signal
import socket
import time
from contextlib import suppress
from typing import Any

from pipelines.workers import channel
from pipelines.workers.nursery import Nursery
from pipelines.workers.region import new_region
from pipelines.workers.worker import Handful, Kind

MOST_PARTS = 64  # of a message in one call; the system's limit is 1024


class WorkerProcess:
    """One process, as its thread sees it."""

    def __init__(self, nursery: Nursery, start: channel.Parts) -> None:
        memory, self.region = new_region()
        try:
            self.process, self._socket = nursery.fork(memory)
        finally:
            os.close(memory)
        self.answered = 0  # samples
        self.heard = 0.0  # when it was last given a handful, or gave an answer; of the monotonic clock
        self._unsent = list(start)
        self._poll = select.poll()

    def give(self, handful: Handful) -> None:
        """Send a handful as soon as the process takes it."""
        self.heard = time.monotonic()
        if handful.items:
            self._unsent += channel.encode(handful)

    def ask(self, message: Any) -> None:
        """Send any message as soon as the process takes it."""
        self._unsent += channel.encode(message)

    def is_open(self) -> bool:
        """Is the process alive? Only for a process that owes no answer."""
        self._poll.register(self._socket, select.POLLIN)
        return not self._poll.poll(0)

    def answer(self, seconds: float) -> tuple[Kind, Any]:
        """Wait for a message of one value. Raises as `answers`."""
        (value,) = self.answers(seconds)
        return value

    def answers(self, seconds: float) -> list[tuple[Kind, Any]]:
        """Wait for the next message. Raises TimeoutError, or EOFError if the process has died.

        Bytes that the process has not taken yet are sent meanwhile: otherwise both ends could wait for each
        other.
        """
        deadline = time.monotonic() + seconds
        while True:
            awaited = select.POLLIN
            if self._unsent:
                awaited |= select.POLLOUT
            self._poll.register(self._socket, awaited)
            left = deadline - time.monotonic()
            events = self._poll.poll(max(0.0, 1000 * left))
            if not events:
                raise TimeoutError
            if events[0][1] & ~select.POLLOUT:
                self.heard = time.monotonic()
                return channel.receive_all(self._socket, self.region)
            self._send_some()

    def kill(self) -> None:
        """End the process, whatever it does."""
        with suppress(ProcessLookupError):
            os.kill(self.process, signal.SIGKILL)

    def close(self) -> None:
        """Let go of the socket."""
        self._socket.close()

    def _send_some(self) -> None:
        try:
            sent = self._socket.sendmsg(self._unsent[:MOST_PARTS], (), socket.MSG_DONTWAIT)
        except BlockingIOError:
            return
        except ConnectionError:  # it has died; what it sent before can still be read
            self._unsent.clear()
            return
        self._unsent = channel.unsent(self._unsent, sent)


def status_in_words(status: int) -> str:
    """An exit status of `os.waitpid`: the name of the signal, or the number."""
    if os.WIFSIGNALED(status):
        return signal.Signals(os.WTERMSIG(status)).name
    return f"exit status {os.waitstatus_to_exitcode(status)}"
