"""Cancels a job on a Flink cluster. Beam's job server, told to cancel, ends its own waiting and leaves the job running."""

from __future__ import annotations

import json
import time
import urllib.request
from typing import Any

from apache_beam.options.pipeline_options import FlinkRunnerOptions, GoogleCloudOptions, PipelineOptions

RUNNER = "FlinkRunner"
ENDED = ("CANCELED", "FAILED", "FINISHED", "SUSPENDED")
LOOK_SECONDS = 0.2
ANSWER_SECONDS = 10.0


def cancel(options: PipelineOptions, seconds: float) -> None:
    """Cancel the job of this name at the JobManager's REST address, and wait until it has ended. Raises OSError."""
    master = options.view_as(FlinkRunnerOptions).flink_master
    name = options.view_as(GoogleCloudOptions).job_name
    if master.startswith("["):  # [auto], [local]: a cluster inside the job server, which ends with it
        return
    jobs = f"{master if '://' in master else f'http://{master}'}/jobs"
    end = time.monotonic() + seconds
    for job in _ask(f"{jobs}/overview")["jobs"]:
        if job["name"] == name and job["state"] not in ENDED:
            _ask(f"{jobs}/{job['jid']}?mode=cancel", "PATCH")
            while _ask(f"{jobs}/{job['jid']}")["state"] not in ENDED and time.monotonic() < end:
                time.sleep(LOOK_SECONDS)


def _ask(url: str, method: str = "GET") -> dict[str, Any]:
    request = urllib.request.Request(url, method=method)  # noqa: S310 - the user's own cluster
    with urllib.request.urlopen(request, timeout=ANSWER_SECONDS) as response:  # noqa: S310
        answer: dict[str, Any] = json.load(response)
    return answer
