"""Messages over a socket: pickled values between a job and its own worker processes, never anything from
outside.

A value may hold large buffers: numpy arrays, and bytes in a `pickle.PickleBuffer`. They are sent as they are
after the pickle (PEP 574), so that neither side copies them.
"""

from __future__ import annotations

import pickle
import socket
import struct
from typing import Any

HEAD = struct.Struct("=QI")  # bytes of the pickle, number of buffers
LENGTH = struct.Struct("=Q")  # of a buffer
Parts = list[memoryview]  # of a message, in the order in which they are sent


def encode(value: Any) -> Parts:
    """A value as the parts of one message."""
    buffers: list[pickle.PickleBuffer] = []
    body = pickle.dumps(value, pickle.HIGHEST_PROTOCOL, buffer_callback=buffers.append)
    views = [buffer.raw() for buffer in buffers]
    lengths = b"".join(LENGTH.pack(view.nbytes) for view in views)
    return [memoryview(HEAD.pack(len(body), len(views)) + lengths + body), *views]


def send(channel: socket.socket, parts: Parts) -> None:
    """Send a message, and wait until the socket has taken it."""
    while parts:
        parts = unsent(parts, channel.sendmsg(parts))


def unsent(parts: Parts, sent: int) -> Parts:
    """The parts of a message that are left after the first `sent` bytes."""
    for index, part in enumerate(parts):
        if sent < part.nbytes:
            return [part[sent:], *parts[index + 1 :]]
        sent -= part.nbytes
    return []


def receive(channel: socket.socket) -> Any:
    """Wait for one message. Raises EOFError if the other end is gone."""
    length, count = HEAD.unpack(_exactly(channel, HEAD.size))
    head = memoryview(_exactly(channel, count * LENGTH.size + length))
    lengths = [LENGTH.unpack_from(head, index * LENGTH.size)[0] for index in range(count)]
    buffers = [_exactly(channel, size) for size in lengths]
    body = head[count * LENGTH.size :]
    return pickle.loads(body, buffers=buffers)  # noqa: S301 - from a process of this job


def _exactly(channel: socket.socket, length: int) -> bytearray:
    data = bytearray(length)
    view, filled = memoryview(data), 0
    while filled < length:
        try:
            count = channel.recv_into(view[filled:], 0, socket.MSG_WAITALL)
        except ConnectionError:
            count = 0
        if not count:
            raise EOFError
        filled += count
    return data
