"""Errors that several packages raise and the `zoetrope` command turns into one line and an exit code."""

from __future__ import annotations

from schemas.text import one_line


class ConfigError(ValueError):
    """A setting that cannot be used.

    The message is one line: field, value, allowed range, nearest known field.
    """

    def __init__(self, message: object = "") -> None:
        super().__init__(one_line(message))  # names of files can hold line breaks and control characters


class WorkError(Exception):
    """Work that cannot continue although the request was valid.

    The message is one line: the cause, and the remedy.
    """


class JobError(WorkError):
    """A job that cannot continue. The message is one line: the path or cause, and the remedy.

    Nothing half-made is under a final name when it is raised.
    """


class OutputError(JobError):
    """The output cannot be written. It is no fault of the task that was to be written."""


class SickWorkerError(JobError):
    """This process cannot make anything any more, such as after a fault of its GPU."""


class StoppedError(JobError):
    """A job that stopped because it was asked to (Ctrl-C, SIGTERM)."""


class StillRunningError(WorkError):
    """A job on a remote runner continues without this process.

    The message names the job and how to get back to it.

    Nothing of its output may be cleaned up. `exit_code` is that of the command: 0 if this was wanted.
    """

    def __init__(self, message: str, exit_code: int) -> None:
        super().__init__(message)
        self.exit_code = exit_code


class TerminatedError(KeyboardInterrupt):
    """SIGTERM. It stops a local job as Ctrl-C does; a job on a remote runner runs on."""


class StopRequestedError(KeyboardInterrupt):
    """A stop by Ctrl-C or SIGTERM. `clean` says whether every worker of this process has ended."""

    def __init__(self, clean: bool) -> None:
        super().__init__("stopped")
        self.clean = clean
