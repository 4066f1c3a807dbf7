"""Errors that several packages raise and the `zoetrope` command turns into one line and an exit code."""

from __future__ import annotations


class ConfigError(ValueError):
    """A setting that cannot be used. The message is one line: field, value, allowed range, nearest known field."""


class WorkError(Exception):
    """Work that cannot continue although the request was valid. The message is one line: the cause, and the remedy."""


class JobError(WorkError):
    """A job that cannot continue. The message is one line: the path or cause, and the remedy.

    Nothing half-made is under a final name when it is raised.
    """


class StoppedError(JobError):
    """A job that stopped because it was asked to (Ctrl-C, SIGTERM)."""


class StopRequestedError(KeyboardInterrupt):
    """A stop by Ctrl-C or SIGTERM. `clean` says whether every worker of this process has ended."""

    def __init__(self, clean: bool) -> None:
        super().__init__("stopped")
        self.clean = clean
