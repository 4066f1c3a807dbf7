"""Signals to a command. While modules load: Ctrl-C, and no garbage collection.

An import that is interrupted half-way can raise any error, so the process exits at once.
"""

from __future__ import annotations

import gc
import os
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import NoReturn

from schemas.errors import TerminatedError

STOPPED = 130  # 128 + SIGINT, as shells report it


@contextmanager
def loading() -> Iterator[None]:
    """Exit with one line and code 130 when Ctrl-C arrives during the imports in this block.

    Garbage is not collected meanwhile: imports leave little, and collections take an eighth of their time.
    Nothing has been started or written at that time, so there is nothing to clean up. A SIGINT handler of a
    calling program, and an ignored SIGINT, stay as they are.
    """
    with _one_line_at_ctrl_c(), _without_collections():
        yield


@contextmanager
def terminable() -> Iterator[None]:
    """Raise `TerminatedError` in this block at SIGTERM, which would leave temporary files.

    A SIGTERM handler of a calling program, and an ignored SIGTERM, stay as they are.
    """
    on_main = threading.current_thread() is threading.main_thread()
    if not on_main or signal.getsignal(signal.SIGTERM) is not signal.SIG_DFL:
        yield
        return
    signal.signal(signal.SIGTERM, _terminate)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)


def _terminate(number: int, frame: FrameType | None) -> NoReturn:
    raise TerminatedError


@contextmanager
def _one_line_at_ctrl_c() -> Iterator[None]:
    on_main = threading.current_thread() is threading.main_thread()
    if not on_main or signal.getsignal(signal.SIGINT) is not signal.default_int_handler:
        yield
        return
    signal.signal(signal.SIGINT, _exit)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, signal.default_int_handler)


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
    sys.stdout.flush()
    os.write(2, b"zoetrope: stopped\n")
    os._exit(STOPPED)
