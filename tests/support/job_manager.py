"""Answers as Flink's JobManager does for a list of jobs."""

from __future__ import annotations

import http.server
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any


class JobManager:
    """Holds the jobs that the REST interface shows; a test changes them at will."""

    def __init__(self) -> None:
        self.jobs: list[dict[str, Any]] = []
        self.cause = ""
        self.ending: dict[str, int] = {}  # id of a job that ends before it can be cancelled -> HTTP status
        self.master = ""

    def add(self, name: str, state: str) -> None:
        """Add a job that was submitted after all others."""
        number = len(self.jobs)
        self.jobs.append({"jid": f"id-{number}", "name": name, "state": state, "start-time": number})

    def answer(self, method: str, path: str) -> dict[str, Any]:
        """What the JobManager says."""
        if path == "/jobs/overview":
            return {"jobs": self.jobs}
        job = next(job for job in self.jobs if job_of(path) == job["jid"])
        if method == "PATCH":
            job["state"] = "CANCELED"
        return {"root-exception": self.cause}


def job_of(path: str) -> str:
    """The id of the job in a path."""
    return path.split("/")[2].partition("?")[0]


@contextmanager
def run_job_manager() -> Iterator[JobManager]:
    """Run one on loopback."""
    manager = JobManager()

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            data = json.dumps(manager.answer(self.command, self.path)).encode()
            status = 200
            if self.command == "PATCH":
                status = manager.ending.get(job_of(self.path), 200)
            self.send_response(status)
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        do_PATCH = do_GET

        def log_message(self, *args: object) -> None:
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    manager.master = f"127.0.0.1:{server.server_address[1]}"
    try:
        yield manager
    finally:
        server.shutdown()
