"""A worker process of the direct runner: Beam's harness, which leaves signals and the last word to the submitter.

Ctrl-C, and the SIGTERM of a scheduler, reach every process of a job. The submitter stops its workers itself; one whose
submitter has gone has nobody to tell of it, and ends (`pipelines.signals`). What goes wrong in a pipeline is told by the
submitter in one line, so Beam's traceback of it in each worker is left out.
"""

from __future__ import annotations

import os
import signal
import sys
from typing import NoReturn

import grpc


def main(argv: list[str]) -> NoReturn:
    """``python -m pipelines.harness``, with Beam's environment variables."""
    from apache_beam.runners.worker import sdk_worker_main

    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)
    with open(os.devnull, "w") as nowhere:
        sys.stderr = nowhere  # of Python alone: what a crash in a library writes still comes out
        try:
            sdk_worker_main.main(argv)
        except grpc.RpcError:  # the submitter has ended
            pass
        except BaseException:
            sys.stderr = sys.__stderr__
            raise
        os._exit(0)  # threads of Beam's still wait for the submitter


if __name__ == "__main__":
    main(sys.argv)
