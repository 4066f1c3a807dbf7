"""A worker process of the direct runner: Beam's harness, which leaves signals and the last word to the submitter.

Ctrl-C, and the SIGTERM of a scheduler, reach every process of a job. The submitter stops its workers itself; one whose
submitter has gone has nobody to tell of it, and ends (`pipelines.running.signals`). What goes wrong in a pipeline is told by
the submitter in one line, so Beam's traceback of it in each worker is left out. The processes of a machine take
its GPUs in turn.
"""

from __future__ import annotations

import os
import signal
import sys
from typing import NoReturn

import grpc


def main(argv: list[str]) -> NoReturn:
    """``python -m pipelines.running.worker GPUS``, with Beam's environment variables."""
    if gpus := int(argv[1]):  # before anything loads CUDA
        os.environ["CUDA_VISIBLE_DEVICES"] = own_gpu(
            os.environ["WORKER_ID"], gpus, os.environ.get("CUDA_VISIBLE_DEVICES")
        )
    from apache_beam.runners.worker import sdk_worker_main

    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)
    with open(os.devnull, "w") as nowhere:
        sys.stderr = nowhere  # of Python alone: what a crash in a library writes still comes out
        try:
            sdk_worker_main.main(argv[:1])
        except grpc.RpcError:  # the submitter has ended
            pass
        except BaseException:
            sys.stderr = sys.__stderr__
            raise
        os._exit(0)  # threads of Beam's still wait for the submitter


def own_gpu(worker: str, gpus: int, visible: str | None) -> str:
    """What CUDA_VISIBLE_DEVICES is to be in ``worker_N``, as Beam counts them, where it is `visible` in the submitter."""
    names = visible.split(",")[:gpus] if visible else [str(number) for number in range(gpus)]
    return names[int(worker.rpartition("_")[2]) % len(names)].strip()


if __name__ == "__main__":
    main(sys.argv)
