"""Messages over a socket: pickled values between a job and its own worker processes.

Nothing from outside the job is unpickled.

A value may hold large buffers: numpy arrays, and bytes in a `pickle.PickleBuffer`. They are sent as they are
after the pickle (PEP 574), so that neither side copies them. Or they pass in the memory that both share
(`pipelines.workers.region`), and are not sent. A message may hold several values, which costs both sides less
than a message each.
"""

from __future__ import annotations

import pickle
import socket
import struct
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate, pairwise
from typing import Any

from pipelines.workers.region import Block, Region

HEAD = struct.Struct("=IIQ")  # number of values, number of buffers, bytes of all pickles
LENGTH = struct.Struct("=Q")  # of a pickle
BUFFER = struct.Struct("=qQQ")  # number and start of its block, bytes; the number is SENT without a block
SENT = -1
SHARED_FROM = 4096  # bytes of a buffer, from which on it is worth a block
Parts = list[memoryview]  # of a message, in the order in which they are sent


@dataclass(frozen=True)
class Packed:
    """A value, ready for a message."""

    body: bytes  # the pickle, without its buffers
    buffers: list[memoryview | Block]

    @property
    def sent_bytes(self) -> int:
        """Bytes of the buffers that the socket has to take."""
        return sum(buffer.nbytes for buffer in self.buffers if isinstance(buffer, memoryview))


def pack(value: Any, region: Region | None = None) -> Packed:
    """A value for `message`. Its large buffers go to `region` as far as there is room."""
    found: list[pickle.PickleBuffer] = []
    body = pickle.dumps(value, pickle.HIGHEST_PROTOCOL, buffer_callback=found.append)
    return Packed(body, [_placed(buffer.raw(), region) for buffer in found])


def message(values: Sequence[Packed]) -> Parts:
    """Values as the parts of one message."""
    bodies = [value.body for value in values]
    buffers = [buffer for value in values for buffer in value.buffers]
    head = HEAD.pack(len(bodies), len(buffers), sum(map(len, bodies)))
    lengths = [LENGTH.pack(len(body)) for body in bodies]
    places = [_place(buffer) for buffer in buffers]
    first = memoryview(b"".join([head, *lengths, *places, *bodies]))
    return [first, *(buffer for buffer in buffers if isinstance(buffer, memoryview))]


def encode(value: Any) -> Parts:
    """A value as the parts of one message."""
    return message([pack(value)])


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
    """Wait for one message of one value. Raises EOFError if the other end is gone."""
    (value,) = receive_all(channel)
    return value


def receive_all(channel: socket.socket, region: Region | None = None) -> list[Any]:
    """Wait for one message; its values. Raises EOFError if the other end is gone."""
    values, count, size = HEAD.unpack(_exactly(channel, HEAD.size))
    text = memoryview(_exactly(channel, values * LENGTH.size + count * BUFFER.size + size))
    lengths = [length for (length,) in LENGTH.iter_unpack(text[: values * LENGTH.size])]
    places = text[len(lengths) * LENGTH.size :][: count * BUFFER.size]
    buffers = iter([_buffer(channel, region, *place) for place in BUFFER.iter_unpack(places)])
    bodies = text[len(text) - size :]
    # Each pickle takes as many buffers as it has.
    return [
        pickle.loads(bodies[start:end], buffers=buffers)  # noqa: S301 - from a process of this job
        for start, end in pairwise(accumulate(lengths, initial=0))
    ]


def _placed(buffer: memoryview, region: Region | None) -> memoryview | Block:
    if region is None or buffer.nbytes < SHARED_FROM:
        return buffer
    return region.put(buffer) or buffer


def _place(buffer: memoryview | Block) -> bytes:
    if isinstance(buffer, Block):
        return BUFFER.pack(buffer.number, buffer.start, buffer.size)
    return BUFFER.pack(SENT, 0, buffer.nbytes)


def _buffer(
    channel: socket.socket, region: Region | None, number: int, start: int, size: int
) -> bytearray | memoryview:
    if number == SENT or region is None:
        return _exactly(channel, size)
    return region.get(Block(number, start, size))


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
