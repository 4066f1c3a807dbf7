"""Runs are compared in a metric if their configs say that they measured the same thing."""

from __future__ import annotations

import pytest

from preview.runs.comparable import measured_by
from schemas.config import flatten
from tests.preview.runs.test_summary import run
from trainer.fit.config import TrainConfig


def config(**changes) -> dict:
    values = {"output": "o", "max_steps": 3, "data": {"shards": "a", "eval_shards": "b"}}
    values["evaluate"] = {"sets": {"msvd": {"shards": "x"}}}
    for name, value in changes.items():
        section, _, field = name.partition("__")
        if field:
            values[section] = {**values.get(section, {}), field: value}
        else:
            values[section] = value
    return flatten(TrainConfig.make(values).to_dict())


def same(metric: str, **changes) -> bool:
    first, second = (run(name, of) for name, of in (("a", config()), ("b", config(**changes))))
    return measured_by(first, metric) == measured_by(second, metric)


@pytest.mark.parametrize(
    "changes",
    [
        {"data__shards": "c"},
        {"global_batch_size": 64},
        {"loss__contrastive": "sigmoid"},
        {"model__interaction": {"enabled": True}},
        {"data__captions": "first"},
        {"model__patch_dropout": 0.5},
    ],
)
def test_losses_of_other_data_batches_or_parts_are_not_compared(changes):
    assert not same("loss", **changes)


@pytest.mark.parametrize(
    "changes",
    [
        {"seed": 1},
        {"output": "p"},
        {"optim": {"lr_new": 1e-3}},
        {"data__workers": 0},
        {"data__eval_shards": "c"},
        {"init": "runs/x"},
        {"model__max_frames": 8},
    ],
)
def test_losses_of_other_seeds_rates_and_models_are_compared(changes):
    assert same("loss", **changes)


def test_a_metric_is_compared_on_the_same_set_alone():
    assert same("t2v.R1", data__shards="c", global_batch_size=64)
    assert not same("t2v.R1", data__eval_shards="c")
    assert same("msvd/t2v.R1", data__eval_shards="c")
    assert not same("msvd/t2v.R1", evaluate__sets={"msvd": {"shards": "y"}})


def test_a_run_without_a_config_is_compared_with_none():
    assert measured_by(run("a"), "loss") is None
