"""Signals to a command. While modules load: Ctrl-C, and no garbage collection.

An import that is interrupted half-way can raise any error, so the process exits at once.
"""

from __future__ import annotations

import gc
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from types import FrameType
from typing import Any, NoReturn

from schemas.errors import TerminatedError

STOPPED = 130  # 128 + SIGINT, as shells report it
Handler = Callable[[int, FrameType | None], Any]


@contextmanager
def loading() -> Iterator[None]:
    """Exit with one line and code 130 when Ctrl-C arrives during the imports in this block.

    Garbage is not collected meanwhile: imports leave little, and collections take an eighth of their time.
    Nothing has been started or written at that time, so there is nothing to clean up. A SIGINT handler of a
    calling program, and an ignored SIGINT, stay as they are.
    """
    with _handling(signal.SIGINT, _exit, instead_of=signal.default_int_handler), _without_collections():
        yield


@contextmanager
def terminable(number: int = signal.SIGTERM) -> Iterator[None]:
    """Raise `TerminatedError` in this block at a signal that would end the process and leave temporary files.

    A handler of a calling program, and an ignored signal, as SIGHUP is under nohup, stay as they are.
    """
    with _handling(number, _terminate, instead_of=signal.SIG_DFL):
        yield


def _terminate(number: int, frame: FrameType | None) -> NoReturn:
    raise TerminatedError


@contextmanager
def _handling(number: int, handler: Handler, *, instead_of: Handler | signal.Handlers) -> Iterator[None]:
    """Handle a signal in this block, if it is handled as `instead_of` and this is the main thread."""
    on_main = threading.current_thread() is threading.main_thread()
    if not on_main or signal.getsignal(number) is not instead_of:
        yield
        return
    signal.signal(number, handler)
    try:
        yield
    finally:
        signal.signal(number, instead_of)


@contextmanager
def _without_collections() -> Iterator[None]:
    if not gc.isenabled():
        yield
        return
    gc.disable()
    try:
        yield
    finally:
        gc.enable()
        gc.collect(0)  # here, and not between this block and the next one that heeds Ctrl-C


def _exit(number: int, frame: FrameType | None) -> None:
    with suppress(RuntimeError, OSError, ValueError):  # the signal came within a flush; or nobody reads
        sys.stdout.flush()
    os.write(2, b"zoetrope: stopped\n")
    os._exit(STOPPED)
