"""Streams from reader processes: the results of a call, while its parser runs under limits.

A reader that ends before its call costs that call alone. The next call starts another one.
"""

from __future__ import annotations

import os
import signal
import threading
import weakref
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

from pipelines.workers import channel
from pipelines.workers.config import SampleLimits
from pipelines.workers.nursery import Nursery
from pipelines.workers.process import WorkerProcess, status_in_words
from pipelines.workers.reader import Call, ReaderStart, ReaderTarget, Sent
from pipelines.workers.shared import living_nursery
from schemas.errors import ConfigError, JobError, WorkError
from schemas.records import Reason
from schemas.text import one_line

WAIT_FACTOR = 10  # of the limit of CPU time: a reader that waits for a disk or a store uses none
WAIT_SECONDS = 60.0  # at least: a busy machine starts processes slowly


class ReaderLostError(Exception):
    """A reader ended before its call did, or the call failed in a way that nobody foresaw."""

    def __init__(self, reason: Reason, detail: str, file: str) -> None:
        super().__init__(f"{reason}: {detail}")
        self.reason, self.detail = reason, detail
        self.file = file  # that it was reading; "" if it did not say
        self.was_killed = False  # by SIGKILL: from outside, or by the system for want of memory


class Readers:
    """Reader processes of one target, kept from call to call. Thread-safe.

    They are forked from the nursery of this process's pool of workers if there is one, else from their own.
    """

    def __init__(self, target: ReaderTarget, limits: SampleLimits) -> None:
        self._limits = limits
        self._target = target
        self._start: channel.Parts = []  # made when the first reader is
        self._lock = threading.Lock()
        self._idle: list[_Reader] = []
        self._busy: set[_Reader] = set()
        self._own: Nursery | None = None
        self._closed = False
        self._finalizer = weakref.finalize(self, _end_all, self._idle)

    def stream(self, method: str, *arguments: Any, singly: bool = False) -> Iterator[Any]:
        """The results of a method of the target, as they come.

        Raises the method's own errors (OSError, ConfigError, WorkError), and ReaderLostError in the place of
        the result whose making ended the reader, or raised anything else. `singly` makes that place exact:
        without it, results that were not sent yet are lost too.
        """
        reader, ended, file = self._take(), False, ""
        try:
            reader.process.ask(Call(method, arguments, singly))
            while True:
                kind, value = self._answer(reader, file)
                if kind is Sent.ITEMS:
                    yield from value
                elif kind is Sent.FILE:
                    file = value
                elif kind is Sent.MEMORY:
                    detail = f"needed more than {self._limits.memory_mb} MB of memory (limits.memory_mb)"
                    raise ReaderLostError(Reason.DECODER_MEMORY, detail, file)
                else:
                    ended = True
                    if kind is Sent.ERROR:
                        raise _as_raised(value, file)
                    return
        finally:
            self._put_back(reader, keep=ended)

    def close(self) -> None:
        """End every reader. Calls under way fail, and so do later ones."""
        with self._lock:
            self._closed = True
            for reader in self._busy:
                reader.process.kill()
            idle, own = list(self._idle), self._own
            self._idle.clear()
            self._own = None
        for reader in idle:
            reader.end()
        if own is not None:
            own.close()

    def _answer(self, reader: _Reader, file: str) -> tuple[Sent, Any]:
        seconds = self._limits.seconds
        wait = max(WAIT_SECONDS, WAIT_FACTOR * seconds)
        try:
            kind, value = reader.process.answer(wait)
        except TimeoutError:
            detail = f"gave no result for {wait:g} seconds"
            raise ReaderLostError(Reason.DECODER_TIMEOUT, detail, file) from None
        except EOFError:
            status = reader.end()
            if self._closed:
                raise JobError("the reading was stopped") from None
            if os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGPROF:
                detail = f"took over {seconds:g} seconds of CPU time without a result"
                raise ReaderLostError(Reason.DECODER_TIMEOUT, detail, file) from None
            detail = f"ended the process that read it ({status_in_words(status)})"
            lost = ReaderLostError(Reason.DECODER_CRASH, detail, file)
            lost.was_killed = os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGKILL
            raise lost from None
        return Sent(kind), value

    def _take(self) -> _Reader:
        with self._lock:
            if self._closed:
                raise JobError("the reading was stopped")
            while self._idle:
                reader = self._idle.pop()
                if reader.process.is_open():
                    self._busy.add(reader)
                    return reader
                reader.end()  # its nursery has ended
            reader = self._new()
            self._busy.add(reader)
            return reader

    def _new(self) -> _Reader:
        if not self._start:
            start = ReaderStart(self._target, self._limits.seconds, self._limits.memory_mb)
            self._start = channel.encode(start)
        shared = living_nursery()
        if shared is not None:
            with suppress(JobError):  # the pool may be closed in this moment
                return _Reader(shared, self._start)
        if self._own is None:
            self._own = Nursery(())
            weakref.finalize(self, self._own.close)
        return _Reader(self._own, self._start)

    def _put_back(self, reader: _Reader, *, keep: bool) -> None:
        with self._lock:
            self._busy.discard(reader)
            if keep and not self._closed:
                self._idle.append(reader)
                return
        reader.end()


def _as_raised(error: Exception, file: str) -> Exception:
    """An error that the method means to raise; anything else is a fault that hostile bytes have found."""
    if isinstance(error, OSError | ConfigError | WorkError):
        return error
    return ReaderLostError(Reason.ERROR, f"raised {type(error).__name__}: {one_line(error, 200)}", file)


class _Reader:
    """One process and the nursery that forked it."""

    def __init__(self, nursery: Nursery, start: channel.Parts) -> None:
        self.process = WorkerProcess(nursery, start)
        self._nursery = nursery
        self._status: int | None = None

    def end(self) -> int:
        """Make sure that the process is gone; its exit status."""
        if self._status is None:
            self.process.kill()
            self.process.close()
            self._status = self._nursery.wait(self.process.process)
        return self._status


def _end_all(readers: list[_Reader]) -> None:
    for reader in readers:
        reader.end()
