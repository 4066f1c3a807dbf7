"""The time left is that of the steps, evaluations and checkpoints to come."""

from __future__ import annotations

import json
import logging
from pathlib import Path

import make_shards as shards_of
import pytest
from tiny_run import tiny_config

from trainer.fit.train import train
from trainer.logs.eta import RECENT, Eta


def at_pace(seconds: float, records: int = 30, **options) -> Eta:
    eta = Eta(1000, **{"save_every": 10_000, "eval_every": None, **options})
    for _ in range(records):
        eta.add_steps(10, 10 * seconds)
    return eta


def test_at_an_even_pace_it_is_steps_times_seconds_and_reaches_zero() -> None:
    eta = at_pace(2.0)
    assert eta.seconds_left(300) == pytest.approx(1400)
    assert eta.seconds_left(1000) == 0


def test_before_the_first_step_nothing_is_known() -> None:
    assert Eta(10, save_every=5, eval_every=5).seconds_left(0) is None


def test_the_first_record_which_compiles_counts_only_until_there_is_another() -> None:
    eta = Eta(100, save_every=1000, eval_every=None)
    eta.add_steps(10, 600.0)
    assert eta.seconds_left(10) == pytest.approx(90 * 60)
    eta.add_steps(10, 10.0)
    assert eta.seconds_left(20) == pytest.approx(80)


def test_a_resumed_run_counts_the_steps_that_are_left_at_its_own_pace() -> None:
    resumed = at_pace(3.0, records=2)
    assert resumed.seconds_left(920) == pytest.approx(240)


def test_a_slow_record_moves_it_by_a_twentieth_and_is_forgotten_later() -> None:
    eta = at_pace(1.0)
    even = eta.seconds_left(500)
    eta.add_steps(10, 20.0)
    assert eta.seconds_left(500) == pytest.approx(even * (1 + 1 / RECENT))
    for _ in range(RECENT):
        eta.add_steps(10, 10.0)
    assert eta.seconds_left(500) == pytest.approx(even)


@pytest.mark.parametrize(("step", "evaluations", "checkpoints"), [(0, 4, 3), (300, 3, 3), (900, 1, 1)])
def test_evaluations_and_checkpoints_to_come_count_with_the_one_at_the_end(
    step: int, evaluations: int, checkpoints: int
) -> None:
    eta = at_pace(1.0, eval_every=300, save_every=400)
    for seconds in (50.0, 70.0):
        eta.add_pause("evaluation", seconds)
    eta.add_pause("checkpoint", 5.0)
    wanted = (1000 - step) + evaluations * 60 + checkpoints * 5
    assert eta.seconds_left(step) == pytest.approx(wanted)


def test_a_run_writes_it_and_the_console_says_it(tmp_path: Path, caplog) -> None:
    stills = shards_of.write_shards(tmp_path / "stills", 1, 8)
    caplog.set_level(logging.INFO)
    options = {"max_steps": 6, "save_every": 2, "eval_every": 3, "data": {"eval_shards": str(stills)}}
    run = tmp_path / "run"
    train(tiny_config(stills, run, **options))
    left = [record.get("eta_s") for record in map(json.loads, (run / "metrics.jsonl").open())]
    left = [seconds for seconds in left if seconds is not None]
    assert len(left) == 6
    assert all(seconds > 0 for seconds in left[:-1])
    assert left[-1] == 0
    assert any(" left  " in line for line in caplog.messages)
