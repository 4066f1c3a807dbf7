"""Beam's Prism runner, whose server ends with the process that has started it.

Beam ends the server at the exit of its process. After `kill -9` it would stay.
"""

from __future__ import annotations

import logging
from typing import Any

from apache_beam.runners.portability.job_server import StopOnExitJobServer
from apache_beam.runners.portability.prism_runner import PrismJobServer, PrismRunner
from apache_beam.utils.shared import Shared

from pipelines.running.remote.tied import tied

DEFAULT_LEVEL = "info"  # of --prism_log_level


class TiedPrismRunner(PrismRunner):
    """Prism as a child that does not outlive its parent. The jobs of a process share it."""

    shared_handle = Shared()

    def default_job_server(self, options: Any) -> Any:
        """Start the server, or take the one of an earlier job."""
        return self.shared_handle.acquire(lambda: StopOnExitJobServer(_Server(options)))

    def __str__(self) -> str:
        return "PrismRunner"


class _Server(PrismJobServer):
    def start(self) -> Any:
        """Start it, without Beam's log lines, and without its own unless a level of them was given.

        The errors of a job arrive by the protocol.
        """
        lines = logging.getLogger(type(self).__name__)
        lines.propagate = self._log_level != DEFAULT_LEVEL
        lines.addHandler(logging.NullHandler())
        logging.getLogger("apache_beam.utils.subprocess_server").setLevel(logging.CRITICAL + 1)
        return super().start()

    def subprocess_cmd_and_endpoint(self) -> tuple[list[Any], str]:
        command, endpoint = super().subprocess_cmd_and_endpoint()
        return tied([str(word) for word in command]), endpoint
