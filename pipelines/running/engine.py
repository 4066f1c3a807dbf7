"""Which Beam runner runs a job.

Without ``--runner`` it is Beam's direct runner on this machine, named explicitly as `FnApiRunner`: the name
`DirectRunner` would first try to download Prism. It runs in this process, with one Beam worker. The samples
are made by the pool of worker processes (`pipelines.workers.pool`), on this machine as in the workers of a
cluster.
"""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from dataclasses import dataclass

from apache_beam.options.pipeline_options import (
    DebugOptions,
    DirectOptions,
    FlinkRunnerOptions,
    GoogleCloudOptions,
    PipelineOptions,
    PortableOptions,
    StandardOptions,
    WorkerOptions,
)
from apache_beam.runners.runner import PipelineRunner

from pipelines.making.gpu import Rendering, choose_rendering
from pipelines.running.options import check_options
from pipelines.running.remote import flink
from pipelines.workers.shared import available_cores
from schemas.errors import ConfigError
from schemas.text import counted

PRISM = "PrismRunner"
LOCAL = ("FnApiRunner", "BundleBasedDirectRunner")  # they run in this process
# They replace a worker process that ends, and try again what failed in it.
REPLACING = ("FlinkRunner", "SparkRunner", "DataflowRunner")


NOT_HERE = Rendering()


@dataclass(frozen=True)
class RunnerChoice:
    """A runner and its options."""

    options: PipelineOptions
    runner: PipelineRunner | str
    is_local: bool  # the job runs in this process
    workers: int | None = None  # worker processes on this machine; None: the workers are elsewhere
    rendering: Rendering = NOT_HERE
    arguments: tuple[str, ...] = ()  # Beam's options as they were given

    @property
    def replaces_workers(self) -> bool:
        """Does the runner start another worker process for one that has ended?"""
        in_submitter = self.options.view_as(PortableOptions).environment_type == "LOOPBACK"
        return str(self.runner).rpartition(".")[2] in REPLACING and not in_submitter

    @property
    def retries(self) -> bool:
        """Does the runner try a bundle again that failed?"""
        return str(self.runner).rpartition(".")[2] in REPLACING

    @property
    def processes(self) -> int | None:
        """Beam worker processes that make at the same time, at most; None if the options do not say it."""
        if not self.is_local:
            return count_processes(self.options, str(self.runner))
        return 1

    def describe(self) -> str:
        """For the first line of a run."""
        if self.workers is None:
            return str(self.runner)
        return f"direct runner, {counted(self.workers, 'worker')}{self.rendering.describe()}"


def count_processes(options: PipelineOptions, runner: str) -> int | None:
    """The largest number of Beam worker processes at a time, by a runner's own options.

    Flink: one for each of its slots. Dataflow: one per VM, if there is one SDK process per VM. None if the
    options do not say it.
    """
    name = runner.rpartition(".")[2]
    if options.view_as(PortableOptions).environment_type == "LOOPBACK" or name == PRISM:
        return 1
    if name == "FlinkRunner":
        slots = options.view_as(FlinkRunnerOptions).parallelism
        if slots > 0:
            return slots
        return None
    if name == "DataflowRunner":
        workers = options.view_as(WorkerOptions)
        machines = workers.max_num_workers
        if workers.autoscaling_algorithm == "NONE":
            machines = workers.num_workers
        single = options.view_as(DebugOptions).lookup_experiment("no_use_multiple_sdk_containers", False)
        if machines and single:
            return machines
        return None
    return None


def choose_runner(beam_args: Sequence[str], workers: int | None, device: str = "cpu") -> RunnerChoice:
    """The runner that Beam's own options name, or the direct runner.

    `beam_args` are the options after ``--``; they go to Beam untouched. `device` is the job's, or none if it
    renders nothing. Raises ConfigError for an option that Beam does not know, and for Beam's own worker
    processes on this machine: the job has its own.
    """
    check_options(beam_args)
    options = PipelineOptions(list(beam_args))
    name = options.view_as(StandardOptions).runner
    if name is not None and name.rpartition(".")[2] not in LOCAL:
        return RunnerChoice(options, _elsewhere(options, name), is_local=False, arguments=tuple(beam_args))
    if options.view_as(DirectOptions).direct_running_mode == "multi_processing":
        raise ConfigError(
            "--direct_running_mode=multi_processing has no use here: samples are made in processes already; "
            "leave it out, and set their number with workers=N"
        )
    runner = name
    if runner is None or runner.endswith("FnApiRunner"):
        from apache_beam.runners.portability.fn_api_runner.fn_runner import FnApiRunner

        runner = FnApiRunner()
    workers = workers or available_cores()
    rendering = choose_rendering(device, workers, renders=device != "none")
    return RunnerChoice(options, runner, True, workers, rendering)


def _elsewhere(options: PipelineOptions, name: str) -> PipelineRunner | str:
    """A runner that is not in this process. A Flink job gets the name under which it can be cancelled."""
    if name.rpartition(".")[2] == PRISM:
        from pipelines.running.remote.prism import TiedPrismRunner

        return TiedPrismRunner()
    naming = options.view_as(GoogleCloudOptions)
    if name.endswith(flink.RUNNER) and naming.job_name is None:
        naming.job_name = f"zoetrope-{uuid.uuid4().hex[:12]}"
    return name
