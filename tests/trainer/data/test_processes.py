"""The worker processes of a loader."""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
from collections.abc import Iterator
from multiprocessing.connection import Connection
from multiprocessing.util import get_temp_dir
from pathlib import Path

from torch.utils.data import IterableDataset

from trainer.data.processes import _start_worker, batches_of

forks_get_a_thread = threading.Event()


def start_thread() -> None:
    """As OpenBLAS does in a forked process."""
    if forks_get_a_thread.is_set():
        threading.Thread(target=threading.Event().wait, daemon=True).start()


os.register_at_fork(after_in_child=start_thread)


class Masks(IterableDataset):
    """The blocked signals of each thread of the process that reads it, as bits."""

    def __iter__(self) -> Iterator[list[int]]:
        lines = [line for task in Path("/proc/self/task").iterdir() for line in (task / "status").open()]
        yield [int(line.split()[1], 16) for line in lines if line.startswith("SigBlk:")]


def test_no_thread_of_a_worker_lets_a_schedulers_sigterm_end_it() -> None:
    before = signal.pthread_sigmask(signal.SIG_BLOCK, ())
    forks_get_a_thread.set()
    try:
        (masks,) = batches_of(Masks(), workers=1, batches_ahead=1, pin_memory=False)
    finally:
        forks_get_a_thread.clear()
    assert len(masks) >= 3
    # One thread waits for its parent's SIGTERM. Linux shows it without the mask meanwhile.
    assert sum(mask >> (signal.SIGTERM - 1) & 1 == 0 for mask in masks) <= 1
    assert signal.pthread_sigmask(signal.SIG_BLOCK, ()) == before


def hold(answer: Connection) -> None:
    """A worker in the middle of a batch, with the folder of the sockets that pass its tensors."""
    multiprocessing.current_process()._config.pop("tempdir", None)  # of the tests' process, if it has one
    _start_worker(0)
    answer.send(get_temp_dir())
    threading.Event().wait(60)


def test_a_worker_that_is_ended_in_the_middle_of_a_batch_leaves_no_folder() -> None:
    context = multiprocessing.get_context("fork")
    ours, theirs = context.Pipe()
    worker = context.Process(target=hold, args=(theirs,), daemon=True)
    worker.start()
    folder = Path(ours.recv())
    assert folder.is_dir()
    worker.terminate()
    worker.join(30)
    assert worker.exitcode == 128 + signal.SIGTERM
    assert not folder.exists()
