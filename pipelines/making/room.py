"""Room in memory for large pictures of an object store, read by several threads ahead of their use."""

from __future__ import annotations

import threading

from storage.read import file_size, read_picture, read_range
from transforms.media.formats.sniff import HEAD_BYTES, sniff

SMALL = 8 * 1024 * 1024  # bytes that are read without asking for room; nearly every picture has fewer


class Room:
    """Bytes of large pictures that were read and not yet taken. Thread-safe.

    The picture that is taken next never waits, so that reading cannot come to a standstill.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._held = 0
        self._head = 0  # number of the picture that is taken next
        self._sizes: dict[int, int] = {}  # number -> bytes that it holds
        self._changed = threading.Condition()
        self._closed = False

    def take(self, number: int, size: int) -> None:
        """Wait until picture `number` may hold so many bytes."""
        with self._changed:
            while self._held and self._held + size > self._most and number != self._head and not self._closed:
                self._changed.wait()
            self._sizes[number] = size
            self._held += size

    def next(self) -> None:
        """The picture at the head was taken."""
        with self._changed:
            self._held -= self._sizes.pop(self._head, 0)
            self._head += 1
            self._changed.notify_all()

    def close(self) -> None:
        """Nobody takes pictures any more: release those who wait."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()


def read_in_room(path: str, max_bytes: int, room: Room, number: int) -> bytes:
    """The bytes of one picture, as `storage.read.read_picture`; a large one waits for room.

    Raises SampleError also for a large file that is no picture by its first bytes.
    """
    size = min(SMALL, max_bytes)
    if size == max_bytes:
        head = read_picture(path, size)
    else:
        head = _beginning(path, size)
    if len(head) < size or size == max_bytes:
        return head
    sniff(head[:HEAD_BYTES])
    room.take(number, min(file_size(path) or 0, max_bytes))
    return read_picture(path, max_bytes)


def _beginning(path: str, size: int) -> bytes:
    try:
        data = read_range(path, 0, size)
    except (OSError, ValueError):
        data = b""
    return data or read_picture(path, size)  # which knows the reasons
