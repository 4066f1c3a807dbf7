"""Jobs on remote runners outlive their submitter: their id, their state and the way back to them.

The output keeps the id of a job in `_zoetrope/running.json` from its submission until it has ended.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from typing import Any, Protocol

from apache_beam.options.pipeline_options import (
    FlinkRunnerOptions,
    GoogleCloudOptions,
    PortableOptions,
)
from apache_beam.runners.runner import PipelineState

from pipelines.output.folder import RUNNING, Output
from pipelines.running.engine import RunnerChoice
from pipelines.running.remote import dataflow, flink
from schemas.errors import StillRunningError
from storage.write import remove_file

LOOK_SECONDS = 5.0  # between two looks at a job's state
PATIENCE_SECONDS = 300.0  # for a runner that does not answer
ANSWER_SECONDS = 30.0  # for one question to a job server


@dataclass(frozen=True)
class RemoteJob:
    """A job on a runner that does not end with its submitter."""

    runner: str  # name of Beam's runner
    id: str  # the runner's own; on Flink the name that the parts of the job share
    options: Mapping[str, str]  # Beam's options that lead to it, e.g. project and region

    @property
    def link(self) -> str | None:
        """The page where the runner shows the job."""
        if self.runner == dataflow.RUNNER:
            place = f"{self.options['region']}/{self.id}?project={self.options['project']}"
            return f"https://console.cloud.google.com/dataflow/jobs/{place}"
        if self.runner == flink.RUNNER:
            return f"{flink.rest_address(self.options['flink_master'])}/#/overview"
        return None

    def __str__(self) -> str:
        text = f"{self.runner} job {self.id}"
        if self.link:
            text += f" ({self.link})"
        return text


def still_running(job: RemoteJob, exit_code: int, why: str = "") -> StillRunningError:
    """The error with which a submitter leaves its job."""
    return StillRunningError(f"{why}the job runs on: {job}; the same command attaches to it", exit_code)


class Handle(Protocol):
    """Requests about a job, from any machine. Every method raises the exceptions of the runner's client."""

    def state(self) -> str:
        """Beam's `PipelineState`; UNKNOWN if the runner has no such job."""

    def failure(self) -> str:
        """The runner's own words on why the job failed."""

    def cancel(self) -> None:
        """Ask the runner to cancel the job."""


def identify(result: Any, choice: RunnerChoice) -> RemoteJob | None:
    """The job of a pipeline that was submitted; None where it ends with this process or its job server."""
    name = str(choice.runner).rpartition(".")[2]
    cloud = choice.options.view_as(GoogleCloudOptions)
    if name == dataflow.RUNNER:
        if not getattr(result, "has_job", False):  # a template or a dry run
            return None
        return RemoteJob(name, result.job_id(), dataflow.place_of(choice.options) or {})
    master = choice.options.view_as(FlinkRunnerOptions).flink_master
    if name == flink.RUNNER and not master.startswith("["):
        return RemoteJob(name, cloud.job_name, {"flink_master": master})
    endpoint = choice.options.view_as(PortableOptions).job_endpoint
    if endpoint and endpoint != "embed" and hasattr(result, "_job_id"):
        return RemoteJob(name, result._job_id, {"job_endpoint": endpoint})
    return None


def open_job(job: RemoteJob) -> Handle:
    """Reach a job by its id."""
    if job.runner == dataflow.RUNNER:
        return dataflow.DataflowJob(job.id, [f"--{name}={value}" for name, value in job.options.items()])
    if job.runner == flink.RUNNER:
        return flink.FlinkJob(job.id, job.options["flink_master"])
    return _PortableJob(job.id, job.options["job_endpoint"])


def keep(output: Output, job: RemoteJob) -> None:
    """Write the job's id into the output."""
    output.write_state(RUNNING, asdict(job))


def read_kept(output: Output) -> RemoteJob | None:
    """Read the id of a job that was submitted for this output and whose end nobody has seen."""
    if not output.read_state(RUNNING):
        return None
    return output.read_state_as(RUNNING, RemoteJob)


def follow(
    job: RemoteJob, look: Callable[[], None] = lambda: None, patience: float | None = None
) -> tuple[str, Handle]:
    """Wait until the job has ended; `look` is called now and then. Returns its last state and its handle.

    Raises StillRunningError if the runner does not answer for `patience` seconds.
    """
    if patience is None:
        patience = PATIENCE_SECONDS
    handle: Handle | None = None
    silent_since: float | None = None
    while True:
        try:
            handle = handle or open_job(job)
            state = handle.state()
            silent_since = None
            if has_ended(state):
                return state, handle
        except Exception as error:  # clients raise what they like
            now = time.monotonic()
            silent_since = silent_since or now
            if now - silent_since > patience:
                why = f"the runner does not answer ({error_in_short(error)}); "
                raise still_running(job, 1, why) from error
            handle = None
        look()
        time.sleep(LOOK_SECONDS)


def error_in_short(error: Exception) -> str:
    """The kind of an error of a runner's client, and the first line of its message."""
    first, *_ = str(error).splitlines() or [""]
    return f"{type(error).__name__}: {first}"[:200]


def has_ended(state: str) -> bool:
    """Is this the last state of a job? A job that the runner does not know has ended too."""
    return PipelineState.is_terminal(state) or state == PipelineState.UNKNOWN


class _PortableJob:
    """A job of a Beam job server that stays up, for Spark and for portable runners."""

    def __init__(self, job_id: str, endpoint: str) -> None:
        import grpc
        from apache_beam.portability.api import beam_job_api_pb2, beam_job_api_pb2_grpc

        self._api, self._id = beam_job_api_pb2, job_id
        self._server = beam_job_api_pb2_grpc.JobServiceStub(grpc.insecure_channel(endpoint))

    def state(self) -> str:
        import grpc

        request = self._api.GetJobStateRequest(job_id=self._id)
        try:
            answer = self._server.GetState(request, timeout=ANSWER_SECONDS)
        except grpc.RpcError as error:
            # The server was restarted, and its jobs ended with it.
            if error.code() == grpc.StatusCode.NOT_FOUND:
                return PipelineState.UNKNOWN
            raise
        return str(self._api.JobState.Enum.Name(answer.state))

    def failure(self) -> str:
        request = self._api.JobMessagesRequest(job_id=self._id)
        last = ""
        for message in self._server.GetMessageStream(request, timeout=ANSWER_SECONDS):
            said = message.message_response
            if said.importance == self._api.JobMessage.JOB_MESSAGE_ERROR:
                last = said.message_text
        return last

    def cancel(self) -> None:
        self._server.Cancel(self._api.CancelJobRequest(job_id=self._id), timeout=ANSWER_SECONDS)


def forget(output: Output) -> None:
    """Remove the id of a job that has ended."""
    remove_file(output.state(RUNNING))
