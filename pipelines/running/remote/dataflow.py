"""Worker options of a Dataflow job (image, one SDK process with one thread per VM), and a job by its id.

`configs/runners/dataflow.yaml` spells the same options out. The Flex Template's launcher adds them with
`with_defaults`.
"""

from __future__ import annotations

import os
from collections.abc import Sequence

from apache_beam.options.pipeline_options import (
    DebugOptions,
    GoogleCloudOptions,
    PipelineOptions,
    StandardOptions,
    WorkerOptions,
)
from apache_beam.runners.runner import PipelineState

from schemas.errors import ConfigError

RUNNER = "DataflowRunner"
# One SDK process per VM: it spreads a task over all cores itself, and one GPU serves one process.
EXPERIMENTS = ("use_runner_v2", "no_use_multiple_sdk_containers")
# Each thread of the process would set up a pool over all cores of its own.
THREADS = 1
# A job whose tasks fail waits for a person, and then continues with its shuffles intact.
SERVICE_OPTIONS = ("pause_on_failure",)
DISK_GB = 50  # unpacked GPU image, system and logs; the service's default is 25


def with_defaults(beam_args: Sequence[str], image: str | None) -> list[str]:
    """Add the worker options that `beam_args` leaves out, if they name Dataflow as the runner.

    `image` is the worker image to use where none is given. Raises ConfigError if there is none at all.
    """
    options = PipelineOptions(list(beam_args))
    if not (options.view_as(StandardOptions).runner or "").endswith(RUNNER):
        return list(beam_args)
    worker, debug, cloud = (
        options.view_as(kind) for kind in (WorkerOptions, DebugOptions, GoogleCloudOptions)
    )
    if not (worker.sdk_container_image or image):
        raise ConfigError(
            "sdk_container_image: the workers need an image with zoetrope in it; pass this parameter, "
            "or build the launcher's image with --build-arg IMAGE=..."
        )
    added: list[str] = []
    if not worker.sdk_container_image:
        added.append(f"--sdk_container_image={image}")
    if not any(arg.startswith("--sdk_location") for arg in beam_args):
        added.append("--sdk_location=container")
    if not worker.disk_size_gb:
        added.append(f"--disk_size_gb={DISK_GB}")
    if not debug.number_of_worker_harness_threads:
        added.append(f"--number_of_worker_harness_threads={THREADS}")
    given = [*(debug.experiments or []), *(cloud.dataflow_service_options or [])]
    if "use_multiple_sdk_containers" not in given:
        added += [f"--experiments={name}" for name in EXPERIMENTS if name not in given]
    added += [f"--dataflow_service_options={name}" for name in SERVICE_OPTIONS if name not in given]
    return [*beam_args, *added]


def place_of(options: PipelineOptions) -> dict[str, str] | None:
    """The options that lead to a job of the service; None for another runner."""
    if not (options.view_as(StandardOptions).runner or "").endswith(RUNNER):
        return None
    cloud = options.view_as(GoogleCloudOptions)
    return {"project": cloud.project, "region": cloud.region}


def job_of_worker() -> str | None:
    """The id of the job in whose worker this process runs. Beam's boot program gets it from the service."""
    return os.environ.get("JOB_ID")


class DataflowJob:
    """A job of the Dataflow service, by its id. `arguments` are Beam's options: project and region."""

    def __init__(self, job_id: str, arguments: Sequence[str]) -> None:
        from apache_beam.runners.dataflow.internal.apiclient import DataflowApplicationClient

        self._id = job_id
        self._client = DataflowApplicationClient(PipelineOptions(list(arguments)))

    def state(self) -> str:
        """Ask the service. Returns Beam's `PipelineState`; UNKNOWN if the project has no such job."""
        from apache_beam.runners.dataflow.dataflow_runner import DataflowPipelineResult
        from google.api_core.exceptions import NotFound

        try:
            job = self._client.get_job(self._id)
        except NotFound:
            return PipelineState.UNKNOWN
        state = str(DataflowPipelineResult.api_jobstate_to_pipeline_state(job.current_state))
        if state == PipelineState.UNKNOWN:  # it was only just created
            return PipelineState.STARTING
        return state

    def failure(self) -> str:
        """The last error message of the job."""
        messages, _ = self._client.list_messages(self._id, minimum_importance="JOB_MESSAGE_ERROR")
        if messages:
            return str(messages[-1].message_text)
        return ""

    def cancel(self) -> None:
        """Ask the service to cancel the job."""
        self._client.modify_job_state(self._id, "JOB_STATE_CANCELLED")
