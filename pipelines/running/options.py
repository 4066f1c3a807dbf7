"""Checks of Beam's options before a job starts.

Beam ignores a misspelt option, and waits minutes for a cluster that is down.
"""

from __future__ import annotations

import importlib
import socket
from collections.abc import Iterator, Sequence
from typing import NoReturn
from urllib.parse import urlsplit

from apache_beam.options.pipeline_options import (
    FlinkRunnerOptions,
    PipelineOptions,
    PortableOptions,
    StandardOptions,
    _BeamArgumentParser,
)

from schemas.errors import ConfigError, JobError
from schemas.text import nearest, nearest_hint, one_line

PROBE_SECONDS = 5.0  # for a cluster's address to take a connection
# Job servers of these have options that only they know, such as Flink's --execution_mode_for_batch.
WITH_JOB_SERVER = ("FlinkRunner", "SparkRunner", "PortableRunner", "PrismRunner")
SURELY_MISSPELT = 0.88  # similarity to a known option


class _Parser(_BeamArgumentParser):
    def error(self, message: str) -> NoReturn:
        raise ConfigError(f"Beam options (after --, or in --runner-config): {message}")


def check_options(beam_args: Sequence[str]) -> None:
    """Raise ConfigError for an unknown runner, and for an option that Beam does not know or cannot read."""
    parser = _Parser(allow_abbrev=False, add_help=False)
    for cls in _option_classes():
        cls._add_argparse_args(parser)
    known = list(parser._option_string_actions)
    found, unknown = parser.parse_known_args(list(beam_args))
    runner = found.runner or ""
    check_runner(runner)
    for option in unknown:
        name = option.partition("=")[0]
        if not name.startswith("-"):
            raise ConfigError(f"Beam options: {option!r} is no option; write it as --name=value")
        near = nearest(name, known, cutoff=SURELY_MISSPELT)
        if near or not runner.endswith(WITH_JOB_SERVER):
            if near:
                hint = f"; the nearest is {near[0]}"
            else:
                hint = nearest_hint(name, known)
            raise ConfigError(f"Beam options: {name} is not known{hint}")


def check_runner(name: str) -> None:
    """Raise ConfigError unless Beam has a runner of this name, or it is the path of an importable class.

    '' is the default.
    """
    known = StandardOptions.KNOWN_RUNNER_NAMES
    lower = [each.lower() for each in known] + ["fnapirunner"]
    if not name or name.lower() in lower or f"{name.lower()}runner" in lower:
        return
    module, dot, cls = name.rpartition(".")
    if not dot:
        hint = nearest_hint(name, known)
        raise ConfigError(f"--runner={name}: Beam has no such runner; it has {', '.join(known)}{hint}")
    try:
        getattr(importlib.import_module(module), cls)
    except (Exception, SystemExit) as error:
        raise ConfigError(f"--runner={name}: cannot be imported: {one_line(error, 300)}") from error


def check_endpoints(options: PipelineOptions) -> None:
    """Raise JobError, within seconds, if a server that the options name does not accept connections."""
    for option, address in _endpoints(options):
        if "://" not in address:
            address = f"//{address}"
        place = urlsplit(address)
        try:
            port = place.port
        except ValueError:
            port = None
        if not place.hostname or port is None:
            raise ConfigError(f"--{option}={address}: write it as host:port")
        try:
            socket.create_connection((place.hostname, port), PROBE_SECONDS).close()
        except OSError as error:
            raise JobError(
                f"--{option}={address}: no server answers there ({error.strerror or error}); "
                "start the cluster, or give its address"
            ) from error


def _endpoints(options: PipelineOptions) -> Iterator[tuple[str, str]]:
    runner = options.view_as(StandardOptions).runner or ""
    if not runner.endswith(WITH_JOB_SERVER):
        return
    master = options.view_as(FlinkRunnerOptions).flink_master
    is_in_job_server = master.startswith("[")  # [auto] and [local]
    if runner.endswith("FlinkRunner") and not is_in_job_server:
        yield "flink_master", master
    endpoint = options.view_as(PortableOptions).job_endpoint
    if endpoint and endpoint != "embed":
        yield "job_endpoint", endpoint


def _option_classes() -> Iterator[type[PipelineOptions]]:
    """PipelineOptions and every class below it, those of a user's own modules too."""
    found: list[type[PipelineOptions]] = [PipelineOptions]
    for cls in found:
        found.extend(sub for sub in cls.__subclasses__() if sub not in found)
        if "_add_argparse_args" in vars(cls):
            yield cls
