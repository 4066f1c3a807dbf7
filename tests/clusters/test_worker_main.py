"""A worker says when it has connected, and knows its job. Whole workers: `tests/engines/test_flink.py`."""

from __future__ import annotations

import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import SimpleNamespace

import grpc
import pytest
from apache_beam.portability.api import (
    beam_fn_api_pb2,
    beam_fn_api_pb2_grpc,
    beam_provision_api_pb2,
    beam_provision_api_pb2_grpc,
)
from job_manager import run_job_manager
from waiting import wait_until

from clusters import worker_main
from clusters.worker_main import Harness, await_end, flink_job


class Runner(
    beam_fn_api_pb2_grpc.BeamFnControlServicer, beam_provision_api_pb2_grpc.ProvisionServiceServicer
):
    """Gives no work, and says what it knows of the worker's job."""

    def __init__(self) -> None:
        self.options: dict[str, str] = {}
        self.called, self.over = threading.Event(), threading.Event()

    def Control(self, requests, context):
        self.called.set()
        self.over.wait(10)
        return iter(())

    def GetProvisionInfo(self, request, context):
        answer = beam_provision_api_pb2.GetProvisionInfoResponse()
        answer.info.pipeline_options.update({f"beam:option:{k}:v1": v for k, v in self.options.items()})
        return answer


@pytest.fixture
def runner():
    runner = Runner()
    server = grpc.server(ThreadPoolExecutor(4))
    beam_fn_api_pb2_grpc.add_BeamFnControlServicer_to_server(runner, server)
    beam_provision_api_pb2_grpc.add_ProvisionServiceServicer_to_server(runner, server)
    url = f"127.0.0.1:{server.add_insecure_port('127.0.0.1:0')}"
    server.start()
    runner.request = beam_fn_api_pb2.StartWorkerRequest(worker_id="1-1")
    runner.request.control_endpoint.url = runner.request.provision_endpoint.url = url
    yield runner
    runner.over.set()
    server.stop(None)


def test_the_file_of_a_request_goes_once_the_worker_has_connected(runner, tmp_path, monkeypatch):
    monkeypatch.setattr(worker_main, "KNOWN_SECONDS", 0.05)
    path = Path(tmp_path / "request")
    path.write_bytes(b"")
    harness = Harness(runner.request, path)
    assert path.exists()
    thread = threading.Thread(target=harness.run)
    thread.start()
    assert runner.called.wait(30)
    wait_until(lambda: not path.exists())
    runner.over.set()
    thread.join(30)
    assert not thread.is_alive(), "a worker ends with its runner's connection"


@pytest.mark.parametrize("bundles", [0, 1])
def test_a_worker_exits_if_its_runner_goes_during_a_bundle(runner, tmp_path, monkeypatch, bundles):
    exits: list[int] = []
    monkeypatch.setattr(worker_main.os, "_exit", exits.append)
    harness = Harness(runner.request, tmp_path / "request")
    processor = SimpleNamespace(shutdown=lambda: None)
    at_work = {str(number): ("", processor) for number in range(bundles)}
    harness._bundle_processor_cache.active_bundle_processors.update(at_work)
    runner.over.set()
    harness.run()
    assert exits == [0] * bundles


def test_a_worker_asks_its_runner_which_job_it_is(runner):
    runner.options = {"job_name": "mine-part0003", "flink_master": "127.0.0.1:8081"}
    assert flink_job(runner.request) == ("mine-part0003", "127.0.0.1:8081")


@pytest.mark.parametrize("options", [{"job_name": "mine"}, {"job_name": "mine", "flink_master": "[auto]"}])
def test_only_a_job_manager_is_asked_for_the_job(runner, options):
    runner.options = options
    assert flink_job(runner.request) is None


def test_a_worker_waits_for_the_end_of_its_own_part():
    with run_job_manager() as manager:
        manager.add("mine-part0000", "FINISHED")
        thread = threading.Thread(target=await_end, args=("mine-part0001", manager.master, 0.01), daemon=True)
        thread.start()
        time.sleep(0.1)
        manager.add("mine-part0001", "RUNNING")
        time.sleep(0.1)
        assert thread.is_alive(), "a part that is unknown or runs has not ended"
        manager.jobs[1]["state"] = "CANCELED"
        thread.join(30)
        assert not thread.is_alive()
