"""Job servers that outlive the commands which submit to them: Beam's own, and one that forgot its jobs."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import grpc
from apache_beam.portability.api import beam_job_api_pb2 as api
from apache_beam.portability.api import beam_job_api_pb2_grpc

from clusters.pools import free_port, is_listening

ROOT = Path(__file__).parents[2]
SERVER = [sys.executable, "-m", "apache_beam.runners.portability.local_job_service_main"]


class _Forgetful(beam_job_api_pb2_grpc.JobServiceServicer):
    """Answers as Beam's server in Java. After a restart that knows none of its jobs."""

    def __init__(self, states: Sequence[str]) -> None:
        self._states = list(states)

    def GetState(self, request: Any, context: grpc.ServicerContext) -> Any:
        if not self._states:
            context.abort(grpc.StatusCode.NOT_FOUND, f"No invocation with id {request.job_id}")
        state = self._states[0]
        if len(self._states) > 1:
            del self._states[0]
        return api.JobStateEvent(state=state)

    def GetMessageStream(self, request: Any, context: grpc.ServicerContext) -> Iterator[Any]:
        context.abort(grpc.StatusCode.NOT_FOUND, f"No invocation with id {request.job_id}")
        yield


@contextmanager
def forgetful_job_server(*states: str) -> Iterator[str]:
    """Start a server that knows only the states of a job, or not even these. Yields its address.

    It answers with one state after another, and stays with the last.
    """
    server = grpc.server(ThreadPoolExecutor(1))
    beam_job_api_pb2_grpc.add_JobServiceServicer_to_server(_Forgetful(states), server)
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    try:
        yield f"127.0.0.1:{port}"
    finally:
        server.stop(None)


@contextmanager
def job_server(folder: Path) -> Iterator[tuple[subprocess.Popen[bytes], list[str]]]:
    """Start Beam's own, with its workers in its process. Yields that and Beam's options for it."""
    port = free_port()
    paths = os.pathsep.join(map(str, (ROOT, ROOT / "tests" / "support")))
    environment = {**os.environ, "PYTHONPATH": paths, "TMPDIR": str(folder)}
    with (folder / "job-server.log").open("wb") as log:
        process = subprocess.Popen([*SERVER, f"--job_port={port}"], stdout=log, stderr=log, env=environment)
    try:
        end = time.monotonic() + 60
        while not is_listening(port):
            assert process.poll() is None, (folder / "job-server.log").read_text()
            assert time.monotonic() < end, "it does not start"
            time.sleep(0.1)
        yield (
            process,
            [
                "--runner=PortableRunner",
                f"--job_endpoint=127.0.0.1:{port}",
                "--environment_type=beam:env:embedded_python:v1",
            ],
        )
    finally:
        process.kill()
        process.wait()
