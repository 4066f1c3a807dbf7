"""The nursery: one thread, only the modules it is given, and exit statuses."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest

from pipelines.making.pools import CLIP_MODULES, VIDEO_MODULES
from pipelines.workers import channel
from pipelines.workers.nursery import Nursery
from pipelines.workers.region import new_region
from pipelines.workers.worker import Handful, Kind, Start
from schemas.errors import JobError


def fork(nursery: Nursery):
    memory, _ = new_region()
    try:
        return nursery.fork(memory)
    finally:
        os.close(memory)


@pytest.mark.parametrize("modules", [CLIP_MODULES, VIDEO_MODULES])
def test_it_forks_with_one_thread(modules):
    nursery = Nursery(modules)
    try:
        fork(nursery)[1].close()
        assert len(list(Path(f"/proc/{nursery._process.pid}/task").iterdir())) == 1
    finally:
        nursery.close()


@pytest.mark.parametrize("modules", [CLIP_MODULES, VIDEO_MODULES])
def test_workers_load_neither_beam_nor_torch(modules):
    nursery = Nursery(modules)
    try:
        process, connection = fork(nursery)
        loaded = Path(f"/proc/{process}/maps").read_text()
        for library in ("libtorch", "libarrow", "apache_beam", "libcuda"):
            assert library not in loaded
        connection.close()
    finally:
        nursery.close()


def test_the_exit_status_of_a_worker_is_known_to_the_job():
    nursery = Nursery([])
    try:
        process, connection = fork(nursery)
        os.kill(process, signal.SIGSEGV)
        assert os.WTERMSIG(nursery.wait(process)) == signal.SIGSEGV
        connection.close()
    finally:
        nursery.close()


def test_modules_that_cannot_be_imported_are_one_error():
    nursery = Nursery(["no_such_module"])
    try:
        with pytest.raises(JobError, match="worker processes cannot be started"):
            fork(nursery)
    finally:
        nursery.close()


def test_a_closed_nursery_forks_nothing():
    nursery = Nursery([])
    nursery.close()
    with pytest.raises(JobError):
        fork(nursery)


def test_a_worker_answers_over_its_socket():
    nursery = Nursery(["hostile_target"])
    try:
        from hostile_target import HostileTarget

        _, connection = fork(nursery)
        channel.send(connection, channel.encode(Start(HostileTarget(), 256)))
        assert channel.receive(connection) == (Kind.READY, None)
        channel.send(connection, channel.encode(Handful("act", ["a", "memory"])))
        assert channel.receive_all(connection) == [(Kind.RESULT, "a"), (Kind.MEMORY, None)]
        connection.close()
    finally:
        nursery.close()
