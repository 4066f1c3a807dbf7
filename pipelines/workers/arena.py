"""Shared memory in slots: arrays pass between the job's process and its workers without being sent.

The memory belongs to a file without a name, which only the processes of the job can open. The kernel frees it
however the job ends. It does not count against /dev/shm, which containers keep small.
"""

from __future__ import annotations

import mmap
import os
import threading
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class Slot:
    """A part of the memory. It crosses to a worker in a message."""

    process: int  # that owns the memory
    descriptor: int  # of the file in that process
    length: int  # of the file
    start: int
    size: int  # bytes


@dataclass(frozen=True, slots=True)
class Placed:
    """A uint8 array in a slot."""

    slot: Slot
    shape: tuple[int, ...]

    @property
    def nbytes(self) -> int:
        """0: a message carries none of its bytes."""
        return 0


class Arena:
    """The owner of the slots. Thread-safe. Without `os.memfd_create` (other than Linux) it has none."""

    def __init__(self, slots: int, size: int) -> None:
        self._free: list[Slot] = []
        self._lock = threading.Lock()
        self._descriptor = -1
        self.memory = np.empty(0, np.uint8)
        if not slots or not hasattr(os, "memfd_create"):
            return
        size = -(-size // mmap.PAGESIZE) * mmap.PAGESIZE
        self._descriptor = os.memfd_create("zoetrope-slots", os.MFD_CLOEXEC)
        os.ftruncate(self._descriptor, slots * size)
        self.memory = np.frombuffer(mmap.mmap(self._descriptor, slots * size), np.uint8)
        self._free = [
            Slot(os.getpid(), self._descriptor, slots * size, number * size, size) for number in range(slots)
        ]

    def take(self) -> Slot | None:
        """Return a free slot, the one that was used last, or None."""
        with self._lock:
            if not self._free:
                return None
            return self._free.pop()  # its pages may still be in a cache

    def give(self, slot: Slot) -> None:
        """Take a slot back. Nobody may read or write it any more."""
        with self._lock:
            self._free.append(slot)

    @property
    def free(self) -> int:
        """Slots that nobody has."""
        return len(self._free)

    def view(self, array: NDArray[Any] | Placed) -> NDArray[Any]:
        """Return an array of this process: in a slot, or as it came."""
        if not isinstance(array, Placed):
            return array
        return _shaped(self.memory, array.slot, array.shape)

    def close(self) -> None:
        """Let go of the file. The memory is freed with the last view and the last worker."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
        self._descriptor, self.memory = -1, np.empty(0, np.uint8)


class TaskSlots:
    """The slots of one task. They all go back with it, however it ends."""

    def __init__(self, arena: Arena) -> None:
        self._arena = arena
        self._taken: set[Slot] = set()

    def take(self) -> Slot | None:
        """Return a free slot, or None."""
        slot = self._arena.take()
        if slot is not None:
            self._taken.add(slot)
        return slot

    def give(self, slot: Slot | None) -> None:
        """Take a slot back, if it is one."""
        if slot is not None:
            self._taken.remove(slot)
            self._arena.give(slot)

    def close(self) -> None:
        """Take all slots back. No worker may be using them any more."""
        while self._taken:
            self._arena.give(self._taken.pop())


def place(array: NDArray[Any], slot: Slot | None) -> NDArray[Any] | Placed:
    """Copy an array of a worker into a slot. Return it as it is if there is none, or if it does not fit."""
    if slot is None or array.nbytes > slot.size or array.dtype != np.uint8:
        return array
    placed = Placed(slot, array.shape)
    opened(placed)[...] = array
    return placed


def opened(array: NDArray[Any] | Placed) -> NDArray[Any]:
    """Return an array in a worker: in a slot, or as it came."""
    if not isinstance(array, Placed):
        return array
    slot = array.slot
    return _shaped(_memory(slot.process, slot.descriptor, slot.length), slot, array.shape)


@cache
def _memory(process: int, descriptor: int, length: int) -> NDArray[np.uint8]:
    """Map the owner's file, once in each worker."""
    # By the owner's descriptor: the file has no name, and the nursery, not the owner, forked this worker.
    file = os.open(f"/proc/{process}/fd/{descriptor}", os.O_RDWR | os.O_CLOEXEC)
    try:
        return np.frombuffer(mmap.mmap(file, length), np.uint8)
    finally:
        os.close(file)


def _shaped(memory: NDArray[np.uint8], slot: Slot, shape: tuple[int, ...]) -> NDArray[Any]:
    length = int(np.prod(shape))
    if length > slot.size:
        raise ValueError(f"an array of {length} bytes does not fit a slot of {slot.size}")
    return memory[slot.start : slot.start + length].reshape(shape)
