"""The length of a task is estimated from a rate that was measured."""

from __future__ import annotations

import pytest

from pipelines.estimate import long_task, task_seconds


def test_cores_divide_the_time_of_a_task():
    assert task_seconds(65_000, 1) == pytest.approx(1000)
    assert task_seconds(65_000, 10) == pytest.approx(100)
    assert task_seconds(65_000, None) == pytest.approx(250), "four cores where nobody says how many"


def test_a_task_of_more_than_five_minutes_is_named():
    assert long_task(3, 1_000, 1) is None
    assert long_task(3, 19_000, 1) is None
    told = long_task(3, 100_000, 2)
    assert told is not None
    assert told.startswith("task 3 has about 100000 inputs and takes about 12m 49s on 2 cores")
