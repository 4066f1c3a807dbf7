"""A step is queued without a wait, on a device that holds no data, and what is not finite changes nothing."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from fake_gpu import CUDA, fake_gpu
from tiny_run import MODEL, tiny_config

from benchmarks.operators import count_operators
from tests.trainer.fit.test_ahead import SIZE, batches
from trainer.device.errors import RunError
from trainer.device.ranks import Ranks
from trainer.fit.ahead import Parts
from trainer.fit.step import TrainingStep
from trainer.model.clip2video import CLIP2Video
from trainer.optimise.optim import make_optimizer

NOWHERE = Path("nowhere")
CPU = torch.device("cpu")


@pytest.mark.parametrize("accumulate", [1, 2])
def test_a_step_on_a_gpu_is_queued_without_a_wait_of_the_host(accumulate: int, monkeypatch) -> None:
    settings = {**MODEL, "interaction": {"enabled": True, "depth": 1}}
    config = tiny_config(NOWHERE, NOWHERE, model=settings, accumulate=accumulate)
    stills = batches(accumulate, plan=True)
    with fake_gpu(monkeypatch) as gpu:
        with CUDA:
            model = CLIP2Video(config.model)
            step = TrainingStep(config, Ranks(0, 1, CUDA), model, make_optimizer(model, config.optim))
        gpu.parameters = list(model.parameters())
        parts = Parts(stills, CUDA, SIZE)
        _, counted = count_operators(lambda: step(0, parts))
    assert counted.waits == 0, counted.operators
    assert not [line for line in gpu.log if "host" in line]
    assert gpu.log[-1] == "event of main"  # after the numbers' copy; reading them is the only wait
    passes = 1 if accumulate == 1 else 2
    assert gpu.log.count("on side") == passes * accumulate
    assert gpu.log.count("main waits for side") == passes * accumulate
    assert "kept for main" in gpu.log


def copied(model: CLIP2Video, optimizer: torch.optim.Optimizer) -> list[torch.Tensor]:
    moments = [value for state in optimizer.state.values() for value in state.values()]
    return [tensor.detach().clone() for tensor in (*model.parameters(), *moments)]


def test_a_step_that_is_not_finite_and_those_queued_after_it_change_nothing() -> None:
    torch.manual_seed(0)
    config = tiny_config(NOWHERE, NOWHERE)
    model = CLIP2Video(config.model)
    optimizer = make_optimizer(model, config.optim)
    step = TrainingStep(config, Ranks(0, 1, CPU), model, optimizer)
    stills = batches(3)
    start = copied(model, optimizer)
    step(0, Parts(stills[:1], CPU, SIZE)).result()
    before = copied(model, optimizer)
    assert not torch.equal(start[0], before[0])

    assert model.sequence is not None
    breaking = model.sequence.register_forward_hook(lambda _, __, out: out * torch.nan)
    bad = step(1, Parts(stills[1:2], CPU, SIZE))
    breaking.remove()
    good = step(2, Parts(stills[2:], CPU, SIZE))  # queued before anybody knows
    for was, now in zip(before, copied(model, optimizer), strict=True):
        assert torch.equal(was, now)
    names = ", ".join(stills[1].keys)
    with pytest.raises(RunError, match=rf"^step 2: the loss is nan .* samples whose .* not finite: {names};"):
        bad.result()
    assert good.number == 3
