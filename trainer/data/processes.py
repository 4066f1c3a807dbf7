"""The worker processes of a loader: how they start, what they ignore, and how they end."""

from __future__ import annotations

import multiprocessing
import os
import shutil
import signal
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch.utils.data import DataLoader, IterableDataset

from storage.shards.read import ShardError
from trainer.data.batch import Batch
from transforms.rendering.render import keep_freed_memory


def batches_of(
    stream: IterableDataset[Batch], workers: int, batches_ahead: int, pin_memory: bool
) -> Iterable[Batch]:
    """The batches of a stream that so many worker processes make; 0 makes them in this process.

    Each worker has `batches_ahead` batches ready. `pin_memory` puts them into page-locked memory.
    """
    prefetch = None  # torch refuses a number without workers
    if workers:
        prefetch = batches_ahead
    loader = _QuietLoader(
        stream,
        batch_size=None,  # the stream makes the batches, in the worker
        collate_fn=_as_is,
        num_workers=workers,
        prefetch_factor=prefetch,
        pin_memory=pin_memory,
        worker_init_fn=_start_worker,
        generator=torch.Generator(),  # its own: the run's random state stays as it is
    )
    return _Batches(loader)


class _Batches:
    """The batches of a torch loader. Its worker processes end with the iteration, also after an error.

    A worker that is still there when the interpreter exits makes torch raise there, after the line that
    matters. An error of a worker arrives without the traceback that torch puts before its message.
    """

    def __init__(self, loader: DataLoader[Batch]) -> None:
        self._loader = loader

    def __iter__(self) -> Iterator[Batch]:
        with _sigterm_blocked():
            batches = iter(self._loader)
        try:
            yield from batches
        except ShardError as error:
            raise ShardError(_own_message(error)) from None
        finally:
            # Without workers torch makes the batches in this process, and has no such method.
            end_workers = getattr(batches, "_shutdown_workers", None)
            if end_workers is not None:
                end_workers()


@contextmanager
def _sigterm_blocked() -> Iterator[None]:
    """Start worker processes with SIGTERM blocked in all of their threads, which inherit this thread's mask.

    Libraries start threads in a forked process before `_start_worker` runs, as OpenBLAS does on several
    cores. One thread without the mask is enough for SIGTERM to end the worker.
    """
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _own_message(error: Exception) -> str:
    """The last line of torch's report on an error in a worker, without its class; else the message itself."""
    text = str(error).strip()
    if "Original Traceback" not in text:
        return text
    return text.splitlines()[-1].partition("Error: ")[2]


class _QuietLoader(DataLoader[Batch]):
    def check_worker_number_rationality(self) -> None:
        """Print no advice: the config chooses the number of workers."""


def _as_is(batch: Any) -> Any:
    return batch


def _start_worker(index: int) -> None:
    """Set up a worker: it uses one thread and keeps freed memory.

    It ignores Ctrl-C and SIGTERM, which a scheduler sends to every process of a job. The training process
    handles them: it takes the last batches in order, and then ends its workers.
    """
    import cv2

    cv2.setNumThreads(0)  # not 1: that would wait for OpenCV's threads to end, which a fork leaves behind
    keep_freed_memory()
    torch.set_num_threads(1)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
    arguments = (os.getppid(), _sockets_folder())
    threading.Thread(target=_end_by_parent, args=arguments, name="end-by-parent", daemon=True).start()


def _sockets_folder() -> str | None:
    """The temporary folder in which multiprocessing keeps this process's sockets, if it has made one."""
    return multiprocessing.current_process()._config.get("tempdir")  # type: ignore[attr-defined]


def _end_by_parent(parent: int, inherited: str | None) -> None:
    """End this process at a SIGTERM of its parent, which sends one to a worker that is slow to end.

    Remove the folder of sockets, unless it is that of the parent: the interpreter does not clean up here.
    """
    while signal.sigwaitinfo({signal.SIGTERM}).si_pid != parent:
        pass
    folder = _sockets_folder()
    if folder is not None and folder != inherited:
        shutil.rmtree(folder, ignore_errors=True)
    os._exit(128 + signal.SIGTERM)
