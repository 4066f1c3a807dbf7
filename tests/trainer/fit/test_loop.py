"""The next batches are prepared before a step's numbers are read, and that changes no bit."""

from __future__ import annotations

import json
from pathlib import Path

import make_shards as shards_of
import pytest
import torch
from tiny_run import tiny_config

from trainer.data.loader import TrainingLoader
from trainer.data.shards import ShardSet
from trainer.device.ranks import Ranks
from trainer.fit.ahead import Ahead, Parts
from trainer.fit.initialise import make_model
from trainer.fit.step import QueuedStep, TrainingStep
from trainer.fit.train import train
from trainer.model.io import load_model
from trainer.model.towers import tokenize
from trainer.optimise.optim import make_optimizer

CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def stills(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return shards_of.write_shards(tmp_path_factory.mktemp("stills"), 2, 8)


def watch(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Log when a step is queued, its numbers are read, and the next one is prepared."""
    log: list[str] = []
    queue, read, prepare = TrainingStep.__call__, QueuedStep.result, Ahead.prepare

    def queueing(self, done, *arguments):
        log.append(f"queue {done + 1}")
        return queue(self, done, *arguments)

    def reading(self):
        log.append(f"read {self.number}")
        return read(self)

    def preparing(self):
        log.append("prepare")
        return prepare(self)

    monkeypatch.setattr(TrainingStep, "__call__", queueing)
    monkeypatch.setattr(QueuedStep, "result", reading)
    monkeypatch.setattr(Ahead, "prepare", preparing)
    return log


def test_the_next_batches_are_prepared_before_numbers_are_read_a_step_late(
    stills: Path, tmp_path: Path, monkeypatch
) -> None:
    log = watch(monkeypatch)
    train(tiny_config(stills, tmp_path / "run", max_steps=5, save_every=3))
    assert log == [
        *("prepare", "queue 1", "prepare", "queue 2", "prepare", "read 1", "queue 3", "prepare", "read 2"),
        "read 3",  # it is saved, so it has to be complete
        *("queue 4", "prepare", "queue 5", "read 4", "read 5"),
    ]


@pytest.mark.parametrize("accumulate", [1, 2])
def test_a_run_is_bit_for_bit_that_of_a_loop_which_waits_for_every_step(
    accumulate: int, stills: Path, tmp_path: Path
) -> None:
    config = tiny_config(stills, tmp_path / "run", max_steps=5, save_every=2, accumulate=accumulate)
    train(config)
    records = [json.loads(line) for line in (tmp_path / "run" / "metrics.jsonl").read_text().splitlines()]

    torch.manual_seed(config.seed)
    model, _ = make_model(config.model, None)
    step = TrainingStep(config, Ranks(0, 1, CPU), model, make_optimizer(model, config.optim))
    loader = TrainingLoader(
        ShardSet.find(config.data.shards),
        config.data,
        lambda captions: tokenize(captions, max_words=config.model.max_words),
        frames=config.model.max_frames,
        size=(32, 32),
        batch_size=config.global_batch_size // accumulate,
        seed=config.seed,
    )
    batches = iter(loader)
    losses = []
    for done in range(5):
        parts = Parts([next(batches) for _ in range(accumulate)], CPU, (32, 32))
        losses.append(step(done, parts).result().values["loss"])
    assert [record["loss"] for record in records] == losses
    trained = load_model(str(tmp_path / "run" / "last")).state_dict()
    for name, weight in model.state_dict().items():
        assert torch.equal(weight, trained[name]), name
