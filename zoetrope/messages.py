"""The command's messages: loggers are named by module, and the command alone adds one handler for standard
error.

A program that imports the packages gets no handler. It can silence or route the loggers with the standard
`logging`.
"""

from __future__ import annotations

import logging
import sys
from collections.abc import Iterator
from contextlib import contextmanager

LONGEST = 2000  # characters of a warning or error, which may quote a file
PACKAGES = ("schemas", "storage", "transforms", "pipelines", "trainer", "preview", "lab", "zoetrope")


@contextmanager
def messages_on_stderr(program: str) -> Iterator[None]:
    """Write the records of our loggers to standard error. Warnings and errors open with ``program:``."""
    handler = _Handler(program)
    loggers = [logging.getLogger(name) for name in PACKAGES]
    before = [(logger.level, logger.propagate) for logger in loggers]
    for logger in loggers:
        logger.addHandler(handler)
        logger.propagate = False
        logger.setLevel(logging.INFO)
    try:
        yield
    finally:
        for logger, (level, propagate) in zip(loggers, before, strict=True):
            logger.removeHandler(handler)
            logger.setLevel(level)
            logger.propagate = propagate


def set_verbosity(verbose: int, quiet: int) -> None:
    """``-v`` shows details and tracebacks, ``-q`` shows warnings and errors alone, ``-qq`` errors alone.

    It has an effect only where the command writes the messages.
    """
    level = logging.INFO - 10 * verbose + 10 * quiet
    for logger in map(logging.getLogger, PACKAGES):
        if any(isinstance(handler, _Handler) for handler in logger.handlers):
            logger.setLevel(min(max(level, logging.DEBUG), logging.ERROR))


class _Handler(logging.Handler):
    """Writes above a progress bar where one is shown, and to the standard error of the moment."""

    def __init__(self, program: str) -> None:
        super().__init__()
        self._program = program

    def emit(self, record: logging.LogRecord) -> None:
        """Write one record."""
        text = self.format(record)
        if record.levelno >= logging.WARNING:
            text = _shortened(f"{self._program}: {text}")
        try:
            self._write(text)
        except (OSError, ValueError):  # standard error is closed: nobody can read the message
            return

    def _write(self, text: str) -> None:
        bars = sys.modules.get("tqdm")
        if bars is not None:
            bars.tqdm.write(text, file=sys.stderr)
        else:
            print(text, file=sys.stderr)
        sys.stderr.flush()


def _shortened(text: str) -> str:
    """The text without its middle if it is too long: its end says what to do."""
    if len(text) <= LONGEST:
        return text
    return f"{text[: LONGEST // 2]} ... {text[-LONGEST // 2 :]}"
