"""Arrays in slots are seen by other processes, are not sent, and outlive nobody."""

from __future__ import annotations

import pickle
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from pipelines.workers.arena import Arena, Placed, TaskSlots, opened, place
from pipelines.workers.channel import encode

ROOT = Path(__file__).parents[3]
OTHER = """
import pickle, sys
from pipelines.workers.arena import opened, place
placed, slot = pickle.load(sys.stdin.buffer)
image = opened(placed)
answer = place(255 - image, slot)
sys.stdout.buffer.write(pickle.dumps((int(image.sum()), answer)))
"""


def test_another_process_reads_and_writes_the_same_memory() -> None:
    arena = Arena(slots=2, size=5000)
    one, two = arena.take(), arena.take()
    assert one is not None
    assert two is not None
    assert arena.take() is None
    image = np.arange(4 * 5 * 3, dtype=np.uint8).reshape(4, 5, 3)
    placed = place(image, one)
    assert isinstance(placed, Placed)
    message = pickle.dumps((placed, two))
    assert len(message) < 1000
    done = subprocess.run(
        [sys.executable, "-c", OTHER], input=message, capture_output=True, check=True, cwd=ROOT
    )
    total, answer = pickle.loads(done.stdout)
    assert total == image.sum()
    np.testing.assert_array_equal(arena.view(answer), 255 - image)
    arena.give(two)
    assert arena.free == 1
    assert arena.take() == two
    arena.close()


def test_the_slots_of_a_task_go_back_with_it() -> None:
    arena = Arena(slots=3, size=4096)
    lease = TaskSlots(arena)
    first, second = lease.take(), lease.take()
    lease.give(first)
    lease.give(None)  # a sample for which no slot was free
    assert arena.free == 2
    assert second is not None
    lease.close()
    assert arena.free == 3
    arena.close()


def test_what_fits_no_slot_is_sent_as_it_is() -> None:
    arena = Arena(slots=1, size=4096)
    slot = arena.take()
    large = np.zeros((50, 50, 3), np.uint8)
    assert place(large, slot) is large
    assert place(large, None) is large
    assert arena.view(large) is opened(large) is large
    assert sum(part.nbytes for part in encode(large)) > large.nbytes
    with pytest.raises(ValueError, match="7500 bytes does not fit a slot of 4096"):
        arena.view(Placed(slot, (50, 50, 3)))
    arena.close()
