"""A Beam job server that outlives the commands which submit to it, with its workers in its own process."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from clusters.pools import free_port, is_listening

ROOT = Path(__file__).parents[2]
SERVER = [sys.executable, "-m", "apache_beam.runners.portability.local_job_service_main"]


@contextmanager
def job_server(folder: Path) -> Iterator[tuple[subprocess.Popen[bytes], list[str]]]:
    """Start one. Yields its process and Beam's options for it."""
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
