"""Messages over a socket: pickled values between a job and its own worker processes, never anything from
outside.
"""

from __future__ import annotations

import pickle
import socket
import struct
from typing import Any

LENGTH = struct.Struct("=Q")


def encode(value: Any) -> bytes:
    """A value as the bytes of one message."""
    body = pickle.dumps(value, pickle.HIGHEST_PROTOCOL)
    return LENGTH.pack(len(body)) + body


def receive(channel: socket.socket) -> Any:
    """Wait for one message. Raises EOFError if the other end is gone."""
    (length,) = LENGTH.unpack(_exactly(channel, LENGTH.size))
    return pickle.loads(_exactly(channel, length))  # noqa: S301 - from a process of this job


def _exactly(channel: socket.socket, length: int) -> bytearray:
    data = bytearray(length)
    view, filled = memoryview(data), 0
    while filled < length:
        try:
            count = channel.recv_into(view[filled:])
        except ConnectionError:
            count = 0
        if not count:
            raise EOFError
        filled += count
    return data
