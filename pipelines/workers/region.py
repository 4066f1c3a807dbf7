"""Memory that one worker shares with its job: a mark of the sample under way, and room for large results.

Results in it are not sent, so that neither side copies them through a socket. The memory belongs to a file
without a name, and the kernel frees it however the job ends. It does not count against /dev/shm, which
containers keep small. Without `os.memfd_create` (other than Linux) there is a mark and no room.
"""

from __future__ import annotations

import mmap
import os
import tempfile
import time
from dataclasses import dataclass
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from pipelines.workers.waiting import OwnWaiting

MARK_BYTES = 64  # 24 of them are used
BLOCKS = 1024  # results that are in the room at once
ROOM_BYTES = 16 << 20  # a page takes memory once it is written
ALIGNED = 64  # bytes


@dataclass(frozen=True, slots=True)
class Block:
    """A part of the room that holds one buffer of a result."""

    number: int
    start: int
    size: int  # bytes


@dataclass(frozen=True, slots=True)
class Mark:
    """Where a worker is."""

    begun: int  # number of the sample under way, among all since the worker started
    at: float  # seconds of the monotonic clock, when it began, as if its stages followed each other
    waited: float  # seconds that the worker had waited for a core by then, since it started


class Region:
    """The memory, mapped by one process. The job makes it; its worker maps the same file."""

    def __init__(self, descriptor: int) -> None:
        self._memory = np.frombuffer(mmap.mmap(descriptor, os.fstat(descriptor).st_size), np.uint8)
        self._begun = self._memory[:8].view(np.int64)
        self._at = self._memory[8:16].view(np.float64)
        self._waited = self._memory[16:24].view(np.float64)
        self._waiting: OwnWaiting | None = None  # of the worker
        # By block number: 1 until the job is done with the block.
        self._taken = self._memory[MARK_BYTES : MARK_BYTES + BLOCKS]
        self._room = self._memory[MARK_BYTES + BLOCKS :]
        self._blocks: list[Block] = []  # that this worker filled and did not take back yet, by `start`
        self._free = list(range(BLOCKS))

    def begin(self, number: int, spent: float = 0.0) -> None:
        """Mark the beginning of a sample, or of a stage of it after stages that took `spent` seconds.

        Called by the worker; its first sample is 1.
        """
        if self._waiting is None:
            self._waiting = OwnWaiting()
        self._waited[0] = self._waiting.seconds()
        self._at[0] = time.monotonic() - spent
        self._begun[0] = number

    def spent(self) -> float:
        """Seconds that the sample of the mark has taken, without those that its worker waited for a core."""
        assert self._waiting is not None  # noqa: S101 - `begin` has made it
        waited = self._waiting.seconds() - float(self._waited[0])
        return time.monotonic() - float(self._at[0]) - waited

    @property
    def mark(self) -> Mark:
        """The mark, as the job reads it."""
        return Mark(int(self._begun[0]), float(self._at[0]), float(self._waited[0]))

    def put(self, data: memoryview) -> Block | None:
        """Copy a buffer into the room; None if it does not fit now. Called by the worker."""
        block = self._place(data.nbytes)
        if block is not None:
            self._room[block.start : block.start + block.size] = np.frombuffer(data, np.uint8)
            self._taken[block.number] = 1
        return block

    def get(self, block: Block) -> memoryview:
        """The buffer in a block. Its worker gets the block back when the last view of it is gone."""
        if not (0 <= block.number < BLOCKS and 0 <= block.start <= len(self._room) - block.size):
            raise ValueError(f"{block} is not in the room")
        lent = self._room[block.start : block.start + block.size].view(_LentBlock)
        lent.owner = (self._taken, block.number)
        return memoryview(cast("Any", lent))

    def _place(self, size: int) -> Block | None:
        """The first gap that is large enough, so that little of the room is ever touched."""
        for block in [block for block in self._blocks if not self._taken[block.number]]:
            self._blocks.remove(block)
            self._free.append(block.number)
        if not self._free:
            return None
        place = start = 0
        for block in self._blocks:
            if block.start - start >= size:
                break
            start = -(-(block.start + block.size) // ALIGNED) * ALIGNED
            place += 1
        if len(self._room) - start < size:
            return None
        found = Block(self._free.pop(), start, size)
        self._blocks.insert(place, found)
        return found


class _LentBlock(np.ndarray[Any, Any]):
    """A block as an array that gives the block back at its own end."""

    owner: tuple[NDArray[np.uint8], int] | None = None  # arrays that are made from this one have none

    def __del__(self) -> None:
        if self.owner is not None:
            taken, number = self.owner
            taken[number] = 0


def new_region() -> tuple[int, Region]:
    """A file for a worker, and its memory. The caller closes the file when the worker has it."""
    if hasattr(os, "memfd_create"):
        descriptor = os.memfd_create("zoetrope-worker", os.MFD_CLOEXEC)
        os.ftruncate(descriptor, MARK_BYTES + BLOCKS + ROOM_BYTES)
        return descriptor, Region(descriptor)
    with tempfile.TemporaryFile() as file:
        file.truncate(MARK_BYTES + BLOCKS)
        descriptor = os.dup(file.fileno())
    return descriptor, Region(descriptor)
