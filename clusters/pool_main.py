"""The process of a worker pool: Beam's own servicer, bound to loopback alone and starting harnesses of this environment.

Beam's ``worker_pool_main`` listens on every address of the machine and starts whatever ``python`` is first on the PATH.
"""

from __future__ import annotations

import os
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

FLUSH_MS = (
    1000  # what is made goes on to the next stage while its bundle, which may take hours, is still open
)


def main(argv: list[str]) -> int:
    """``pool_main PORT``: serve until the process is told to end."""
    import grpc
    from apache_beam.portability.api import beam_fn_api_pb2, beam_fn_api_pb2_grpc
    from apache_beam.runners.worker.worker_pool_main import BeamFnExternalWorkerPoolServicer

    class Pool(BeamFnExternalWorkerPoolServicer):
        def StopWorker(self, request, context):
            """Nothing: a worker ends when its runner hangs up. Its name, "1-1", is that of another runner's worker as well."""
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
