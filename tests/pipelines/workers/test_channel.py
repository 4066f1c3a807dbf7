"""Messages between a job and its workers: what is sent arrives, whatever its size, without copies of buffers."""

from __future__ import annotations

import pickle
import socket
import threading

import numpy as np
import pytest

from pipelines.making.maker import Made
from pipelines.workers import channel


def sent_through(value):
    ours, theirs = socket.socketpair()
    with ours, theirs:
        sender = threading.Thread(target=channel.send, args=(ours, channel.encode(value)))
        sender.start()
        received = channel.receive(theirs)
        sender.join()
    return received


@pytest.mark.parametrize("value", [None, "a text", {"b": [1, 2.5]}, b"x" * 3_000_000])
def test_a_value_arrives_as_it_was_sent(value):
    assert sent_through(value) == value


def test_a_made_sample_arrives_with_its_members_and_its_row():
    members = {"000.jpg": b"j" * 1_000_001, "txt": "a café".encode(), "json": b"{}"}
    made = sent_through(("result", [Made.of("key", members, {"caption": "a \ud800 dog", "url": None})]))[1][0]
    assert made.members() == members
    assert (made.key, made.size, made.row) == ("key", 1_000_010, {"caption": "a ? dog", "url": None})


def test_large_buffers_are_parts_of_their_own():
    frames = np.arange(600_000, dtype=np.uint8).reshape(2, 300, 1000)
    head, pixels, tar = channel.encode([frames, pickle.PickleBuffer(b"tar" * 100)])
    assert (len(head) < 1000, pixels.nbytes, bytes(tar)) == (True, 600_000, b"tar" * 100)
    np.testing.assert_array_equal(sent_through(frames), frames)


@pytest.mark.parametrize("sent", [0, 1, 5, 8, 9, 14])
def test_what_the_socket_did_not_take_is_sent_next(sent):
    parts = [memoryview(b"first"), memoryview(b""), memoryview(b"and"), memoryview(b"second")]
    assert b"".join(channel.unsent(parts, sent)) == b"firstandsecond"[sent:]


def test_an_end_that_is_gone_is_the_end_of_the_file():
    ours, theirs = socket.socketpair()
    with theirs:
        theirs.sendall(b"".join(channel.encode([b"x" * 1000]))[:500])
    with ours, pytest.raises(EOFError):
        channel.receive(ours)
