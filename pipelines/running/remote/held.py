"""Hold Ctrl-C back while a job is handed to a runner.

A submission that is cut off leaves a job that nobody knows of. The runner has it, and the submitter has no
name to cancel it by.
"""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

NUMBERS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


@contextmanager
def held_signals(hear: Callable[[], None]) -> Iterator[None]:
    """Hold the first signal until the block ends, and call `hear` at once. A second one is not held.

    An exception of the handler is raised from the end of the block. Outside the main thread nothing is held,
    because signals are not heard there.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {number: signal.getsignal(number) for number in NUMBERS}
    heard: list[int] = []

    def hold(number: int, frame: FrameType | None) -> None:
        for each, handler in before.items():
            signal.signal(each, handler)
        heard.append(number)
        hear()

    for number, handler in before.items():
        if handler is not None and handler != signal.SIG_IGN:
            signal.signal(number, hold)
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
        if heard:
            signal.raise_signal(heard[0])
