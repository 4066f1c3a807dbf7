"""A job on a Flink cluster by its name, through the JobManager's REST interface.

Beam's job server ends only its own waiting when it cancels a job, and forgets its jobs when it ends; the
JobManager does not.
"""

from __future__ import annotations

import json
import time
import urllib.request
from typing import Any

from apache_beam.options.pipeline_options import FlinkRunnerOptions, GoogleCloudOptions, PipelineOptions
from apache_beam.runners.runner import PipelineState

RUNNER = "FlinkRunner"
# Flink's states of a job that has ended, and Beam's.
ENDED = {
    "CANCELED": PipelineState.CANCELLED,
    "FAILED": PipelineState.FAILED,
    "FINISHED": PipelineState.DONE,
    "SUSPENDED": PipelineState.FAILED,
}
LOOK_SECONDS = 0.2
ANSWER_SECONDS = 10.0


class FlinkJob:
    """The newest job of this name on a cluster.

    Every method raises OSError if the JobManager does not answer.
    """

    def __init__(self, name: str, master: str) -> None:
        self._name = name
        self._jobs = f"{rest_address(master)}/jobs"

    def state(self) -> str:
        """Beam's `PipelineState`; UNKNOWN if the cluster has no such job."""
        job = self._find()
        if job is None:
            return PipelineState.UNKNOWN
        return ENDED.get(job["state"], PipelineState.RUNNING)

    def failure(self) -> str:
        """The cause of the failure, as the JobManager keeps it."""
        job = self._find()
        if job is None:
            return f"the cluster does not know the job {self._name} any more"
        return str(_ask(f"{self._jobs}/{job['jid']}/exceptions").get("root-exception") or "")

    def cancel(self) -> None:
        """Ask the JobManager to cancel the job, if it has not ended."""
        job = self._find()
        if job is not None and job["state"] not in ENDED:
            _ask(f"{self._jobs}/{job['jid']}?mode=cancel", "PATCH")

    def _find(self) -> dict[str, Any] | None:
        jobs = [job for job in _ask(f"{self._jobs}/overview")["jobs"] if job["name"] == self._name]
        return max(jobs, key=lambda job: job["start-time"], default=None)


def cancel(options: PipelineOptions, seconds: float) -> None:
    """Cancel the job of these options and wait until it has ended. Raises OSError."""
    master = options.view_as(FlinkRunnerOptions).flink_master
    if master.startswith("["):  # [auto], [local]: a cluster inside the job server, which ends with it
        return
    job = FlinkJob(options.view_as(GoogleCloudOptions).job_name, master)
    job.cancel()
    end = time.monotonic() + seconds
    while job.state() == PipelineState.RUNNING and time.monotonic() < end:
        time.sleep(LOOK_SECONDS)


def rest_address(master: str) -> str:
    """The URL of a JobManager's REST interface, from Beam's `flink_master`."""
    return master if "://" in master else f"http://{master}"


def _ask(url: str, method: str = "GET") -> dict[str, Any]:
    request = urllib.request.Request(url, method=method)  # noqa: S310 - the user's own cluster
    with urllib.request.urlopen(request, timeout=ANSWER_SECONDS) as response:  # noqa: S310
        answer: dict[str, Any] = json.load(response)
    return answer
