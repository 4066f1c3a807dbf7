"""The options that a template's launcher adds for its workers, and a job of the service by its id."""

from __future__ import annotations

import http.server
import json
import threading
from collections.abc import Iterator

import pytest

from pipelines.running.remote.dataflow import RUNNER, DataflowJob, with_defaults
from schemas.errors import ConfigError

LAUNCHED = [f"--runner={RUNNER}", "--region=us-central1"]


def test_the_launcher_names_its_own_image_and_one_process_per_vm():
    added = with_defaults(LAUNCHED, "images/zoetrope:1")[len(LAUNCHED) :]
    assert "--sdk_container_image=images/zoetrope:1" in added
    assert "--sdk_location=container" in added
    assert "--experiments=no_use_multiple_sdk_containers" in added
    assert "--number_of_worker_harness_threads=1" in added
    assert "--disk_size_gb=50" in added


def test_given_options_are_kept():
    given = [
        "--sdk_container_image=mine:2",
        "--sdk_location=container",
        "--number_of_worker_harness_threads=3",
        "--disk_size_gb=80",
        "--experiments=use_runner_v2,use_multiple_sdk_containers",
        "--dataflow_service_options=pause_on_failure",
    ]
    assert with_defaults([*LAUNCHED, *given], "images/zoetrope:1") == [*LAUNCHED, *given]


def test_without_any_image_the_job_is_refused():
    with pytest.raises(ConfigError, match="--build-arg IMAGE"):
        with_defaults(LAUNCHED, None)


@pytest.mark.parametrize("runner", [[], ["--runner=FlinkRunner"]])
def test_other_runners_are_left_as_they_are(runner):
    assert with_defaults(runner, None) == runner


class Service(http.server.BaseHTTPRequestHandler):
    """Answers as the service does for one job, which runs until it is cancelled."""

    state = "JOB_STATE_RUNNING"

    def do_GET(self) -> None:
        if self.path.split("?")[0].endswith("/jobs/the-job/messages"):
            self._answer({"jobMessages": [{"id": "1", "messageText": "task 7: the disk is full"}]})
        elif self.path.split("?")[0].endswith("/projects/mine/locations/us/jobs/the-job"):
            self._answer({"id": "the-job", "currentState": Service.state})
        else:
            self.send_error(404)

    def do_PUT(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        Service.state = body["requestedState"]
        self._answer({"id": "the-job", "currentState": Service.state})

    def _answer(self, values: dict) -> None:
        data = json.dumps(values).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *args: object) -> None:
        pass


@pytest.fixture
def place() -> Iterator[list[str]]:
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Service)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    Service.state = "JOB_STATE_RUNNING"
    yield [
        "--project=mine",
        "--region=us",
        "--no_auth",
        f"--dataflow_endpoint=http://localhost:{server.server_address[1]}",
    ]
    server.shutdown()


def test_a_job_is_asked_and_cancelled_by_its_id(place):
    job = DataflowJob("the-job", place)
    assert job.state() == "RUNNING"
    job.cancel()
    assert job.state() == "CANCELLED"
    assert job.failure() == "task 7: the disk is full"


@pytest.mark.parametrize(
    ("told", "state"),
    [("JOB_STATE_DONE", "DONE"), ("JOB_STATE_UNKNOWN", "STARTING"), ("JOB_STATE_PAUSED", "PAUSED")],
)
def test_states_are_those_of_beam(place, told, state):
    Service.state = told
    assert DataflowJob("the-job", place).state() == state
