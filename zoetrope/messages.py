"""The command's messages. Loggers are named by module; only the command adds a handler (standard error).

Standard output is for results. It takes any text, whatever its encoding.

A program that imports the packages gets no handler. It can silence or route the loggers with the standard
`logging`.
"""

from __future__ import annotations

import codecs
import io
import json
import logging
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime

LONGEST = 2000  # characters of a warning or error, which may quote a file
EVENTS = "pipelines.running.graph"  # the logger of a line per task, which only JSON lines show
PACKAGES = ("schemas", "storage", "transforms", "pipelines", "trainer", "preview", "lab", "zoetrope")


def any_text_on_stdout() -> None:
    """Write characters that the encoding of standard output lacks as in JSON, such as ``\\u2588``.

    A terminal may use Latin-1, and the name of a file may hold bytes that are no UTF-8. So JSON stays JSON.
    """
    codecs.register_error("zoetrope.escaped", _escaped)
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="zoetrope.escaped")


def _escaped(error: UnicodeError) -> tuple[str, int]:
    if not isinstance(error, UnicodeEncodeError):
        raise error
    return json.dumps(error.object[error.start : error.end])[1:-1], error.end


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
        logging.getLogger(EVENTS).setLevel(logging.NOTSET)


def set_verbosity(verbose: int, quiet: int) -> None:
    """``-v`` shows details and tracebacks, ``-q`` shows warnings and errors alone, ``-qq`` errors alone.

    It has an effect only where the command writes the messages.
    """
    level = logging.INFO - 10 * verbose + 10 * quiet
    for logger in map(logging.getLogger, PACKAGES):
        if any(isinstance(handler, _Handler) for handler in logger.handlers):
            logger.setLevel(min(max(level, logging.DEBUG), logging.ERROR))


def set_json_lines() -> None:
    """Write each message as a JSON object on a line of its own: time, level, event, logger, fields.

    `fields` holds the values of a record's attribute of that name, such as the task and its reasons.
    """
    for logger in map(logging.getLogger, PACKAGES):
        for handler in logger.handlers:
            if isinstance(handler, _Handler):
                handler.is_json = True
                logging.getLogger(EVENTS).setLevel(logging.DEBUG)


class _Handler(logging.Handler):
    """Writes above a progress bar where one is shown, and to the standard error of the moment."""

    def __init__(self, program: str) -> None:
        super().__init__()
        self._program = program
        self.is_json = False

    def emit(self, record: logging.LogRecord) -> None:
        """Write one record."""
        text = self.format(record)
        if self.is_json:
            self._write_quietly(_json_line(record, text))
            return
        if record.levelno >= logging.WARNING:
            text = _shortened(f"{self._program}: {text}")
        self._write_quietly(text)

    def _write_quietly(self, text: str) -> None:
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


def _json_line(record: logging.LogRecord, text: str) -> str:
    values = {
        "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
        "level": record.levelname.lower(),
        "event": _shortened(text),
        "logger": record.name,
        "fields": getattr(record, "fields", {}),
    }
    return json.dumps(values, ensure_ascii=False, default=str)


def _shortened(text: str) -> str:
    """The text without its middle if it is too long: its end says what to do."""
    if len(text) <= LONGEST:
        return text
    return f"{text[: LONGEST // 2]} ... {text[-LONGEST // 2 :]}"
