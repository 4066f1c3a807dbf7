"""Divide the tasks of a job into parts that are submitted one after another, as slots become free."""

from __future__ import annotations

from itertools import accumulate, pairwise
from math import ceil
from typing import TypeVar

from pipelines.estimate import task_seconds

T = TypeVar("T")
PART_SECONDS = 300.0  # of making in a part; the start of its Python worker takes about ten more


def divide(items: list[T], sizes: list[int]) -> list[list[T]]:
    """Cut a list into pieces of these sizes."""
    return [items[start:end] for start, end in pairwise(accumulate(sizes, initial=0))]


def part_sizes(count: int, slots: int, least: int) -> list[int]:
    """The number of tasks of each part, in the order of submission.

    A part takes half of a slot's share of what is left, and at least `least`. This is guided self-scheduling
    (Polychronopoulos and Kuck, IEEE Transactions on Computers, 1987). Large parts first make few of them;
    small parts last let all slots end at about the same time. A job that is too short for this gets one part
    per slot.
    """
    least = min(least, even_size(count, slots))
    sizes = []
    while count:
        sizes.append(min(count, max(least, ceil(count / (2 * slots)))))
        count -= sizes[-1]
    return sizes


def even_sizes(count: int, slots: int) -> list[int]:
    """One part per slot, all of the same size but the last."""
    size = even_size(count, slots)
    return [min(size, count - start) for start in range(0, count, size or 1)]


def even_size(count: int, slots: int) -> int:
    """The number of tasks of each of `slots` equal parts, rounded up."""
    return ceil(count / slots)


def least_tasks(inputs: int, tasks: int, workers: int | None) -> int:
    """The number of tasks that keep a slot busy for `PART_SECONDS`."""
    seconds = task_seconds(inputs, workers) / max(tasks, 1)
    return max(1, round(PART_SECONDS / max(seconds, 1e-3)))
