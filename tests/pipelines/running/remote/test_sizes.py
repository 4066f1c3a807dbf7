"""The tasks of a job are divided into parts for the slots of a cluster."""

from __future__ import annotations

import pytest

from pipelines.running.remote.sizes import divide, even_sizes, least_tasks, part_sizes


@pytest.mark.parametrize(
    ("count", "slots", "least"), [(12_000, 64, 8), (81, 4, 900), (3, 4, 1), (5, 64, 8), (1, 1, 1), (0, 4, 3)]
)
def test_every_task_is_in_one_part(count, slots, least):
    tasks = list(range(count))
    for sizes in (part_sizes(count, slots, least), even_sizes(count, slots)):
        parts = divide(tasks, sizes)
        assert [task for part in parts for task in part] == tasks
        assert all(parts)


def test_parts_get_smaller_so_that_all_slots_end_at_about_the_same_time():
    sizes = part_sizes(12_000, 64, 8)
    assert sizes[0] == 94
    assert sizes == sorted(sizes, reverse=True)
    assert sizes[-2] == 8, "and never smaller than this, but the last one"
    assert len(sizes) < 12_000 / 20


def test_a_short_job_and_a_detached_one_have_one_part_per_slot():
    assert part_sizes(81, 4, 900) == [21, 21, 21, 18]
    assert even_sizes(12_000, 64) == [188] * 63 + [156]


def test_a_part_keeps_a_slot_busy_for_minutes():
    assert least_tasks(12_000_000, 12_000, 1) == 20  # of 1,000 clips, 65 clips a second
    assert least_tasks(400, 81, 2) > 81, "tiny tasks are not spread over parts"
    assert least_tasks(10_000_000, 10, 1) == 1
