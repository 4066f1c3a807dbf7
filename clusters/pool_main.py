"""Run a worker pool: Beam's own protocol, bound to loopback only, which starts workers of this environment.

Beam's ``worker_pool_main`` listens on every address of the machine and starts whatever ``python`` is first on
the PATH. It also forgets a worker that dies before it has connected, for which Beam's runner waits without
end. This pool starts such a worker again, as the boot program of Beam's images does.
"""

from __future__ import annotations

import signal
import sys
import tempfile
import threading
import time
import uuid
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from clusters.forks import ForkedWorkers

STARTS = 4  # of a worker that dies before it has connected; Beam's boot program allows as many
AGAIN_SECONDS = 1.0  # before it is started again


class Workers:
    """Starts workers, and starts those again that die before they have connected.

    A worker removes the file of its request once it has connected. A pool that is restarted with the same
    folder starts the workers of the files that are left: their runner still waits for them.
    """

    def __init__(self, folder: Path, run: Callable[[Path], int]) -> None:
        """`run` takes the path of a request, and returns the exit code of its worker once that has ended."""
        self._folder, self._run_worker = folder, run
        folder.mkdir(parents=True, exist_ok=True)

    def start(self, request: bytes) -> None:
        """Start the worker of a serialised `StartWorkerRequest`."""
        path = self._folder / uuid.uuid4().hex
        path.write_bytes(request)
        self._look_after(path)

    def start_waiting(self) -> None:
        """Start the workers that an earlier pool has left unconnected."""
        for path in sorted(self._folder.iterdir()):
            self._look_after(path)

    def _look_after(self, path: Path) -> None:
        threading.Thread(target=self._run, args=(path,), name=path.name, daemon=True).start()

    def _run(self, path: Path) -> None:
        for _ in range(STARTS):
            code = self._run_worker(path)
            if code == 0 or not path.exists():
                break
            print(f"a worker ended with {code} before it had connected; it is started again", flush=True)
            time.sleep(AGAIN_SECONDS)
        path.unlink(missing_ok=True)


def main(argv: list[str]) -> int:
    """Serve on port `argv[0]` until the process is ended. Returns 1 if the port is taken.

    `argv[1]` is a folder of this pool, for the requests of workers that have not connected yet.
    """
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    if len(argv) > 1:
        return serve(argv[0], Path(argv[1]))
    with tempfile.TemporaryDirectory(prefix="zoetrope-pool-") as folder:
        return serve(argv[0], Path(folder))


def serve(port: str, folder: Path) -> int:
    """Serve on a port of loopback. Returns 1 if it is taken."""
    import grpc
    from apache_beam.portability.api import beam_fn_api_pb2, beam_fn_api_pb2_grpc

    forked = ForkedWorkers()
    workers = Workers(folder, forked.run)

    class Pool(beam_fn_api_pb2_grpc.BeamFnExternalWorkerPoolServicer):
        def StartWorker(self, request: Any, context: Any) -> Any:
            """Start a worker process."""
            workers.start(request.SerializeToString())
            return beam_fn_api_pb2.StartWorkerResponse()

        def StopWorker(self, request: Any, context: Any) -> Any:
            """Do nothing: a worker ends with its runner's connection, and runners share worker names."""
            return beam_fn_api_pb2.StopWorkerResponse()

    server = grpc.server(ThreadPoolExecutor(8))
    beam_fn_api_pb2_grpc.add_BeamFnExternalWorkerPoolServicer_to_server(Pool(), server)
    if not server.add_insecure_port(f"127.0.0.1:{port}"):
        return 1
    workers.start_waiting()
    server.start()
    try:
        threading.Event().wait()
    finally:
        forked.close()
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
