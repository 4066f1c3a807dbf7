"""A job on a Flink cluster by its name, through the JobManager's REST interface.

Beam's job server ends only its own waiting when it cancels a job, and forgets its jobs when it ends; the
JobManager does not. A job may consist of parts, which are Flink jobs of their own
(`pipelines.running.remote.parts`).
"""

from __future__ import annotations

import json
import re
import time
import urllib.request
from http import HTTPStatus
from typing import Any
from urllib.error import HTTPError

from apache_beam.options.pipeline_options import (
    FlinkRunnerOptions,
    GoogleCloudOptions,
    PipelineOptions,
    PortableOptions,
    StandardOptions,
)
from apache_beam.runners.runner import PipelineState

RUNNER = "FlinkRunner"
# Flink's states of a job that has ended, and Beam's.
ENDED = {
    "CANCELED": PipelineState.CANCELLED,
    "FAILED": PipelineState.FAILED,
    "FINISHED": PipelineState.DONE,
    "SUSPENDED": PipelineState.FAILED,
}
ENDED_MEANWHILE = (HTTPStatus.NOT_FOUND, HTTPStatus.CONFLICT)  # Flink's answers, if a job cannot be cancelled
PART = re.compile(r"-part\d{4,}$")  # after the name of a job that was submitted in parts
LOOK_SECONDS = 0.2
# Flink starts the next stage within milliseconds. By default it restarts a job after a second: a worker that
# has died must be forgotten by then.
KEPT_MS = 800
ANSWER_SECONDS = 10.0


def keep_workers(options: PipelineOptions) -> None:
    """Keep the Python workers of a Flink job between two stages, unless the user has set for how long.

    By default the runner ends them with a stage, and starts others for the next one, at three seconds of CPU
    time each. Short stages last less. Other runners are left alone: Spark tries a failed task again at once,
    and would meet the worker that has died.
    """
    portable = options.view_as(PortableOptions)
    runner = options.view_as(StandardOptions).runner or ""
    if runner.endswith(RUNNER) and not portable.environment_cache_millis:
        portable.environment_cache_millis = KEPT_MS


class FlinkJob:
    """The newest job of this name on a cluster, and the parts of the job of this name.

    Every method raises OSError if the JobManager does not answer.
    """

    def __init__(self, name: str, master: str) -> None:
        self._name = name
        self._jobs = f"{rest_address(master)}/jobs"

    def state(self) -> str:
        """Beam's `PipelineState`; UNKNOWN if the cluster has no such job.

        Parts run until the last one has ended; then one that failed counts.
        """
        states = set(self.parts().values())
        for state in (PipelineState.RUNNING, PipelineState.FAILED, PipelineState.CANCELLED):
            if state in states:
                return state
        if states:
            return PipelineState.DONE
        return PipelineState.UNKNOWN

    def parts(self) -> dict[str, str]:
        """Beam's `PipelineState` of each part that the cluster knows, by its name."""
        return {name: ENDED.get(job["state"], PipelineState.RUNNING) for name, job in self._find().items()}

    def failure(self) -> str:
        """The cause of the failure, as the JobManager keeps it."""
        jobs = list(self._find().values())
        failed = [job for job in jobs if ENDED.get(job["state"]) == PipelineState.FAILED]
        if not jobs:
            return f"the cluster does not know the job {self._name} any more"
        job = (failed or jobs)[0]
        return str(_ask(f"{self._jobs}/{job['jid']}/exceptions").get("root-exception") or "")

    def cancel(self) -> None:
        """Ask the JobManager to cancel every part that has not ended."""
        for job in self._find().values():
            if job["state"] in ENDED:
                continue
            try:
                _ask(f"{self._jobs}/{job['jid']}?mode=cancel", "PATCH")
            except HTTPError as error:
                error.close()
                if error.code not in ENDED_MEANWHILE:
                    raise

    def _find(self) -> dict[str, dict[str, Any]]:
        found: dict[str, dict[str, Any]] = {}
        for job in sorted(_ask(f"{self._jobs}/overview")["jobs"], key=lambda job: int(job["start-time"])):
            if PART.sub("", job["name"]) == self._name:
                found[job["name"]] = job
        return found


def part_name(job: str, number: int) -> str:
    """The name of a part of a job."""
    return f"{job}-part{number:04d}"


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
    if "://" in master:
        return master
    return f"http://{master}"


def _ask(url: str, method: str = "GET") -> dict[str, Any]:
    request = urllib.request.Request(url, method=method)  # noqa: S310 - the user's own cluster
    with urllib.request.urlopen(request, timeout=ANSWER_SECONDS) as response:  # noqa: S310
        answer: dict[str, Any] = json.load(response)
    return answer
