"""Which Beam runner runs a job, and how its workers use the cores.

Without ``--runner`` it is Beam's direct runner on this machine, named explicitly as `FnApiRunner`: the name `DirectRunner`
would first try to download Prism. Its workers are threads of one process up to `THREADS` cores (pictures are decoded,
warped and encoded outside the GIL), and processes of a few threads each beyond. Where GPUs render it is a process a GPU:
clips are batched per process.
"""

from __future__ import annotations

import math
import os
import shlex
import sys
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

import yaml
from apache_beam.options.pipeline_options import (
    DirectOptions,
    GoogleCloudOptions,
    PipelineOptions,
    StandardOptions,
)
from apache_beam.runners.runner import PipelineRunner

from pipelines.making.gpu import count_gpus
from pipelines.running import flink
from schemas.errors import ConfigError
from schemas.text import counted, one_line
from storage.read import open_uri

THREADS = 8  # of one process; more wait for the GIL
THREADS_EACH = 4  # of each process, where there are several
LOCAL = ("FnApiRunner", "BundleBasedDirectRunner")  # in our processes, or in others on our disk
# Begin a task again only once its first attempt has ended. A shuffle of theirs hands on what came before when all of it is
# made, so that a commit behind it would come hours late, and a job that is stopped would have nothing to show for them.
AT_ONCE = ("FlinkRunner", "SparkRunner")


@dataclass(frozen=True)
class RunnerChoice:
    """A runner and how a job is spread over it."""

    options: PipelineOptions
    runner: PipelineRunner | str
    is_local: bool
    threads: int | None  # per worker process; None: all cores of whatever machine the worker is on
    processes: int = 1
    gpus: int = 0  # that the processes take in turn

    @property
    def commits_at_once(self) -> bool:
        """Whether the stage that makes a task also commits it, rather than a later one behind a shuffle."""
        return self.is_local or str(self.runner).rpartition(".")[2] in AT_ONCE

    def describe(self) -> str:
        """For the first line of a run."""
        if not self.is_local:
            return str(self.runner)
        spread = counted(self.threads or 1, "thread")
        if self.processes != 1:
            spread = f"{self.processes} processes of {spread}"
        if self.gpus:
            spread += f", {counted(self.gpus, 'GPU')}"
        return f"direct runner, {spread}"


def choose_runner(beam_args: Sequence[str], workers: int | None, uses_gpus: bool = False) -> RunnerChoice:
    """`beam_args` is what stood after ``--``; it goes to Beam untouched, and is added to only where it is silent.

    `uses_gpus`: where this machine has any, each gets a process of its own.
    """
    options = PipelineOptions(list(beam_args))
    name = options.view_as(StandardOptions).runner
    if name is not None and name.rpartition(".")[2] not in LOCAL:
        if name.endswith(flink.RUNNER) and options.view_as(GoogleCloudOptions).job_name is None:
            options.view_as(
                GoogleCloudOptions
            ).job_name = f"zoetrope-{uuid.uuid4().hex[:12]}"  # to find it there again
        return RunnerChoice(options, name, is_local=False, threads=workers)
    cores, gpus = workers or available_cores(), count_gpus() if uses_gpus else 0
    processes = options.view_as(DirectOptions).direct_num_workers or os.cpu_count() or 1
    if not any(arg.startswith(("--direct_running_mode", "--direct_num_workers")) for arg in beam_args):
        processes = min(gpus, cores) if gpus else 1 if cores <= THREADS else math.ceil(cores / THREADS_EACH)
        mode = "multi_processing" if processes > 1 else "in_memory"
        added = [f"--direct_running_mode={mode}", f"--direct_num_workers={processes}"]
        options = PipelineOptions([*beam_args, *added])
    runner = _fn_api_runner(options, gpus) if name is None or name.endswith("FnApiRunner") else name
    return RunnerChoice(
        options, runner, True, max(1, round(cores / processes)), processes, min(gpus, processes)
    )


def read_runner_config(path: str) -> list[str]:
    """A YAML mapping of Beam's option names to values, as arguments.

    ``runner: FlinkRunner`` gives ``--runner=FlinkRunner``, ``true`` a flag, ``false`` nothing, a list the option once an
    entry. Raises ConfigError if the file cannot be read or is no such mapping.
    """
    try:
        with open_uri(path, "r") as stream:
            values = yaml.safe_load(stream)
    except (OSError, ValueError, ImportError, yaml.YAMLError) as error:
        raise ConfigError(f"--runner-config {path}: cannot be read: {one_line(error)}") from None
    if not isinstance(values, dict):
        raise ConfigError(
            f"--runner-config {path}: must be a mapping of Beam options, e.g. 'runner: FlinkRunner'"
        )
    found: list[str] = []
    for name, value in values.items():
        for item in value if isinstance(value, list) else [value]:
            if isinstance(item, dict) or item is None:
                raise ConfigError(
                    f"--runner-config {path}: {name} must be a text, a number, true, false, or a list of them"
                )
            if item is not False:
                found.append(f"--{name}" if item is True else f"--{name}={item}")
    return found


def available_cores() -> int:
    """Cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _fn_api_runner(options: PipelineOptions, gpus: int) -> PipelineRunner:
    """As Beam's own switching runner makes it: worker processes get the options through the provision info."""
    from apache_beam.portability.api import beam_provision_api_pb2
    from apache_beam.runners.portability.fn_api_runner import fn_runner
    from apache_beam.runners.portability.portable_runner import JobServiceHandle
    from apache_beam.transforms.environments import SubprocessSDKEnvironment

    environment, direct = None, options.view_as(DirectOptions)
    if direct.direct_running_mode == "multi_processing":
        direct.direct_running_mode = (
            "in_memory"  # for the mode's own name Beam would put its own command in place of ours
        )
        _listen_on_loopback()
        command = f"exec {shlex.quote(sys.executable)} -m pipelines.running.worker {gpus}"
        environment = SubprocessSDKEnvironment.from_command_string(command)
    encoded = JobServiceHandle.encode_pipeline_options(options.get_all_options())
    info = beam_provision_api_pb2.ProvisionInfo(pipeline_options=encoded)
    return fn_runner.FnApiRunner(environment, provision_info=fn_runner.ExtendedProvisionInfo(info))


def _listen_on_loopback() -> None:
    """Have Beam's servers for worker processes listen on loopback alone: it binds all addresses, and has no option for it."""
    import grpc
    from apache_beam.runners.portability import local_job_service
    from apache_beam.runners.portability.fn_api_runner import worker_handlers

    def server(*args: Any, **options: Any) -> grpc.Server:
        made = grpc.server(*args, **options)
        bind = made.add_insecure_port
        made.add_insecure_port = lambda address: bind(address.replace("[::]", "127.0.0.1"))
        return made

    ours = SimpleNamespace(**{**vars(grpc), "server": server})
    worker_handlers.grpc = local_job_service.grpc = ours  # the name in these two modules, and nobody else's
