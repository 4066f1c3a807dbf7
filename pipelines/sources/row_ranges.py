"""Cut a table into byte ranges of whole rows, without parsing a row."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import IO, Protocol

import numpy as np

PLAN_CHUNK = 4 * 1024 * 1024  # bytes per read


class Digest(Protocol):
    """A hash of hashlib that takes in bytes."""

    def update(self, data: bytes, /) -> None:
        """Take in bytes."""
        ...


def row_ranges(
    stream: IO[bytes],
    rows: int,
    start: int = 0,
    stop: int | None = None,
    total: Digest | None = None,
    most: int | None = None,
) -> Iterator[tuple[int, int, int]]:
    """Yield (start, end, rows) of consecutive byte ranges of `rows` rows each; the last one is shorter.

    One pass over the bytes from `start` to `stop`, in flat memory. Ends after `most` rows. `total` takes in
    the bytes of the ranges that were yielded.
    """
    stream.seek(start)
    left: float = math.inf
    if most is not None:
        left = most
    position, held, ended = start, 0, True  # held: rows that ended since start
    while left > 0 and (chunk := _next_chunk(stream, position, stop)):
        newlines = np.flatnonzero(np.frombuffer(chunk, np.uint8) == ord("\n"))
        used = taken = 0  # newlines, and bytes, of the ranges so far
        while left > 0 and held + len(newlines) - used >= (wanted := int(min(rows, left))):
            used += wanted - held
            end = int(newlines[used - 1]) + 1
            if total is not None:
                total.update(chunk[taken:end])
            yield start, position + end, wanted
            start, held, taken = position + end, 0, end
            left -= wanted
        held += len(newlines) - used
        if total is not None and left > 0:
            total.update(chunk[taken:])
        position += len(chunk)
        ended = chunk.endswith(b"\n")
    held += not ended  # the last row may lack its newline
    if held and left > 0:
        yield start, position, held


def _next_chunk(stream: IO[bytes], position: int, stop: int | None) -> bytes:
    if stop is None:
        size = PLAN_CHUNK
    else:
        size = min(PLAN_CHUNK, stop - position)
    if size > 0:
        return stream.read(size)
    return b""
