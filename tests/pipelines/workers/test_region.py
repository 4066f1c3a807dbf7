"""The memory that a worker shares with its job: marks, blocks, and blocks that come back."""

from __future__ import annotations

import os
import pickle
import socket
import threading
import time

import numpy as np
import pytest

from pipelines.workers import channel
from pipelines.workers.region import BLOCKS, ROOM_BYTES, Block, Region, new_region


@pytest.fixture
def sides():
    """The region as the job and as its worker see it."""
    descriptor, job = new_region()
    worker = Region(descriptor)
    os.close(descriptor)
    return job, worker


def data(size: int, value: int = 7) -> memoryview:
    return memoryview(bytes([value]) * size)


def test_the_job_sees_which_sample_was_begun_and_when(sides):
    job, worker = sides
    assert job.mark.begun == 0
    worker.begin(1)
    worker.begin(3)
    assert job.mark.begun == 3
    assert 0 <= time.monotonic() - job.mark.at < 10


def test_a_block_arrives_and_comes_back_when_its_last_view_is_gone(sides):
    job, worker = sides
    first, second = worker.put(data(9_000_000, 1)), worker.put(data(6_000_000, 2))
    assert worker.put(data(5_000_000, 3)) is None  # the room is full
    one, two = job.get(first), job.get(second)
    piece = one[:3]
    del one
    assert worker.put(data(5_000_000, 3)) is None  # `piece` still holds the first block
    assert (bytes(piece), bytes(two[-2:])) == (b"\1\1\1", b"\2\2")
    del piece
    third = worker.put(data(5_000_000, 3))
    assert third.start == first.start
    assert bytes(job.get(third)[:2]) == b"\3\3"
    assert bytes(two[:2]) == b"\2\2"


def test_what_fits_nowhere_has_no_block(sides):
    _, worker = sides
    assert worker.put(data(ROOM_BYTES + 1)) is None
    blocks = [worker.put(data(64)) for _ in range(BLOCKS + 1)]
    assert blocks[-1] is None
    assert len({(block.number, block.start) for block in blocks[:-1]}) == BLOCKS


def test_a_block_outside_the_room_is_refused(sides):
    job, _ = sides
    for block in (Block(0, ROOM_BYTES - 9, 10), Block(BLOCKS, 0, 1), Block(0, -1, 1)):
        with pytest.raises(ValueError, match="not in the room"):
            job.get(block)


def test_values_of_one_message_keep_their_own_buffers_in_the_room_or_sent(sides):
    job, worker = sides
    frames = np.arange(30_000, dtype=np.uint8).reshape(100, 300)
    large = pickle.PickleBuffer(b"x" * (ROOM_BYTES + 1))
    values = [("a", frames), "b", large, [pickle.PickleBuffer(b"small"), frames + 1]]
    ours, theirs = socket.socketpair()
    with ours, theirs:
        parts = channel.message([channel.pack(value, worker) for value in values])
        assert [part.nbytes for part in parts[1:]] == [ROOM_BYTES + 1, 5]
        sender = threading.Thread(target=channel.send, args=(ours, parts))
        sender.start()
        first, second, third, fourth = channel.receive_all(theirs, job)
        sender.join()
    np.testing.assert_array_equal(first[1], frames)
    assert (second, bytes(third), bytes(fourth[0])) == ("b", large.raw(), b"small")
    np.testing.assert_array_equal(fourth[1], frames + 1)
    kept = first[1][10:20]
    del first, second, third, fourth
    assert worker.put(data(ROOM_BYTES - 4096)) is None  # a slice of the frames is still in use
    np.testing.assert_array_equal(kept, frames[10:20])
    del kept
    assert worker.put(data(ROOM_BYTES - 4096)) is not None
