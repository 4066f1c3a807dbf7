"""Run a worker pool: Beam's own servicer, bound to loopback only, which starts workers of this environment.

Beam's ``worker_pool_main`` listens on every address of the machine and starts whatever ``python`` is first on
the PATH.
"""

from __future__ import annotations

import os
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

# A bundle may take hours. Its finished elements pass to the next stage every second, not at its end.
FLUSH_MS = 1000


def main(argv: list[str]) -> int:
    """Serve on port `argv[0]` until the process is ended. Returns 1 if the port is taken."""
    import grpc
    from apache_beam.portability.api import beam_fn_api_pb2, beam_fn_api_pb2_grpc
    from apache_beam.runners.worker.worker_pool_main import BeamFnExternalWorkerPoolServicer

    class Pool(BeamFnExternalWorkerPoolServicer):
        def StopWorker(self, request: Any, context: Any) -> Any:
            """Do nothing: a worker ends with its runner's connection, and runners share worker names."""
            return beam_fn_api_pb2.StopWorkerResponse()

    os.environ["PATH"] = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")])
    server = grpc.server(ThreadPoolExecutor(8))
    pool = Pool(use_process=True, data_buffer_time_limit_ms=FLUSH_MS)
    beam_fn_api_pb2_grpc.add_BeamFnExternalWorkerPoolServicer_to_server(pool, server)
    if not server.add_insecure_port(f"127.0.0.1:{argv[0]}"):
        return 1
    server.start()
    threading.Event().wait()
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
