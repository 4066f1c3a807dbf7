"""Run one Beam worker of a pool (`clusters.pool_main`).

Beam's runner can lose sight of a worker. A Flink job that is cancelled while its worker starts, or ends while
its pool is away, closes neither the worker's servers nor the worker. So a worker asks the JobManager now and
then, and ends after its job.
"""

from __future__ import annotations

import os
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import grpc
from apache_beam.portability.api import beam_fn_api_pb2, beam_provision_api_pb2, beam_provision_api_pb2_grpc
from apache_beam.runners.worker.sdk_worker import SdkHarness
from apache_beam.runners.worker.worker_id_interceptor import WorkerIdInterceptor

from pipelines.running.remote.flink import PART, FlinkJob
from pipelines.running.remote.job import has_ended

FLUSH_MS = 1000  # a bundle may take hours; its finished elements pass to the next stage every second
KNOWN_SECONDS = 1.0  # after which a server knows a worker that has called it
LOOK_SECONDS = 15.0  # between two looks at the job
LOOKS = 2  # that must see its end; most workers end before
ANSWER_SECONDS = 60.0  # for the runner to say which job it is


class Harness(SdkHarness):
    """A worker that removes the file of its request once it has connected, and exits if its job is cancelled.

    Beam's worker would first finish the bundles that it has begun, whose results nobody takes any more.
    """

    def __init__(self, request: Any, path: Path) -> None:
        url = request.control_endpoint.url
        super().__init__(url, worker_id=request.worker_id, data_buffer_time_limit_ms=FLUSH_MS)
        control = _Control(path, self._is_at_work)
        self._control_channel = grpc.intercept_channel(self._control_channel, control)

    def _is_at_work(self) -> bool:
        return bool(self._bundle_processor_cache.active_bundle_processors)


class _Control(grpc.StreamStreamClientInterceptor):
    """Watches the call by which a runner gives work to its worker."""

    def __init__(self, path: Path, is_at_work: Callable[[], bool]) -> None:
        self._path, self._is_at_work = path, is_at_work

    def intercept_stream_stream(self, continuation: Any, details: Any, requests: Any) -> Any:
        """Make the call. A runner that has seen it also notices the end of this process."""
        answers = continuation(details, requests)
        timer = threading.Timer(KNOWN_SECONDS, self._path.unlink, kwargs={"missing_ok": True})
        timer.daemon = True
        timer.start()
        return self._until_the_end(answers)

    def _until_the_end(self, answers: Iterator[Any]) -> Iterator[Any]:
        """Pass the work on. A runner that ends the call during a bundle has given the bundle up."""
        try:
            yield from answers
        finally:
            if self._is_at_work():
                print("the runner has ended the call of a worker that was at work; it exits", flush=True)
                os._exit(0)


def flink_job(request: Any) -> tuple[str, str] | None:
    """Ask the runner for the name of the worker's job and the JobManager's address; None if it is no Flink.

    Raises grpc.RpcError.
    """
    with grpc.insecure_channel(request.provision_endpoint.url) as plain:
        channel = grpc.intercept_channel(plain, WorkerIdInterceptor(request.worker_id))
        service = beam_provision_api_pb2_grpc.ProvisionServiceStub(channel)
        question = beam_provision_api_pb2.GetProvisionInfoRequest()
        answer = service.GetProvisionInfo(question, timeout=ANSWER_SECONDS, wait_for_ready=True)
    options = dict(answer.info.pipeline_options)
    name, master = (options.get(f"beam:option:{option}:v1") for option in ("job_name", "flink_master"))
    if not isinstance(name, str) or not isinstance(master, str) or master.startswith("["):
        return None
    return name, master


def await_end(name: str, master: str, seconds: float = LOOK_SECONDS) -> None:
    """Wait until a Flink job has ended. A JobManager that does not know it, or is away, is asked again."""
    job, seen = FlinkJob(PART.sub("", name), master), 0
    while seen < LOOKS:
        time.sleep(seconds)
        try:
            state = job.parts().get(name)
        except (OSError, ValueError):  # nobody answers, or another server
            state = None
        seen = seen + 1 if state is not None and has_ended(state) else 0


def end_after_job(request: Any) -> None:
    """End this process some time after its job has ended."""
    try:
        job = flink_job(request)
    except grpc.RpcError:  # the runner has gone
        return
    if job is not None:
        await_end(*job)
        print(f"job {job[0]} has ended, and nobody has ended its worker {request.worker_id}", flush=True)
        os._exit(0)


def main(argv: list[str]) -> int:
    """Run the worker of the serialised `StartWorkerRequest` in the file `argv[0]`, to its runner's end.

    Returns 0 too if nobody listens there any more: another start would not help.
    """
    path = Path(argv[0])
    request = beam_fn_api_pb2.StartWorkerRequest.FromString(path.read_bytes())
    threading.Thread(target=end_after_job, args=(request,), daemon=True).start()
    try:
        harness = Harness(request, path)
    except grpc.FutureTimeoutError:
        print(f"worker {request.worker_id}: its runner does not answer", flush=True)
        return 0
    harness.run()
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
