"""What a record takes from steps, and when ranks exchange anything for it."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from tiny_run import tiny_config

from trainer.data.shards import Dropped
from trainer.device.ranks import Ranks
from trainer.fit import recorder as of_recorder
from trainer.fit.recorder import Recorder
from trainer.fit.step import Spent, StepResult
from trainer.logs.run_logs import RunLogs
from trainer.model.clip2video import CLIP2Video

NOWHERE = Path("nowhere")
DROPPED = Dropped("a.tar", "key", "broken")


@pytest.fixture
def exchanged(monkeypatch) -> list[object]:
    """What this rank has sent to its peer, which always answers with one sample that it dropped."""
    sent: list[object] = []

    def gather(value: object, ranks: Ranks) -> list[object]:
        sent.append(value)
        return [value, [DROPPED]]

    monkeypatch.setattr(of_recorder, "gather_objects", gather)
    return sent


def step(recorder: Recorder, **spent: float) -> None:
    ended = recorder._meters.began + 10.0
    recorder.add(StepResult({"loss": 1.0}, False, Spent(**spent), ended), [])


def test_ranks_exchange_only_names_of_samples_that_some_rank_left_out(exchanged: list[object]) -> None:
    """An exchange of objects waits for the device, which would then run out of work."""
    config = tiny_config(NOWHERE, NOWHERE)
    recorder = Recorder(config, Ranks(0, 2, torch.device("cpu")), CLIP2Video(config.model), RunLogs(), None)
    for _ in range(2):
        step(recorder, waited=1.0, prepared=2.0, memory_gb=3.0)
    recorder.record(2)
    assert exchanged == []
    values = recorder.values
    assert (values["data_wait"], values["prepare"], values["dropped"]) == (
        pytest.approx(0.2),
        pytest.approx(0.4),
        0,
    )
    assert values["memory_gb"] == 3.0

    step(recorder, dropped=1.0)
    with recorder.paused("checkpoint"):  # the names still wait for their record
        pass
    step(recorder)
    recorder.record(4)
    assert exchanged == [[]]
    assert recorder.values["dropped"] == 1
    step(recorder)
    recorder.record(5)
    assert len(exchanged) == 1
