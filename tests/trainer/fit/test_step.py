"""A step is queued without a wait, on a device that holds no data, and what is not finite changes nothing."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from fake_gpu import CUDA, fake_gpu
from raw_samples import decoder, raw
from tiny_run import MODEL, tiny_config

from benchmarks.operators import count_operators
from tests.trainer.fit.test_ahead import SIZE, batches
from trainer.data.batch import Batch, collate
from trainer.device.errors import RunError
from trainer.device.ranks import Ranks
from trainer.fit.ahead import Parts
from trainer.fit.step import TrainingStep
from trainer.model.clip2video import CLIP2Video
from trainer.model.towers import tokenize
from trainer.optimise.average import WeightAverage
from trainer.optimise.optim import make_optimizer

NOWHERE = Path("nowhere")
CPU = torch.device("cpu")


FINE = {**MODEL, "interaction": {"enabled": True, "depth": 1}}


def mixed_batches(count: int) -> list[Batch]:
    """Stills, which are rendered, and stored frames and videos, some of them padded."""
    decode = decoder(camera="stored")
    stores = ("still", "frames", "mp4", "still")
    samples = [decode(raw(i, store), 0) for i, store in enumerate(stores)]
    samples += [decode(raw(4, "frames", frames=2), 0)]
    return [collate(samples, tokenize=tokenize, frames=4, size=SIZE, plan=True) for _ in range(count)]


@pytest.mark.parametrize(
    "changes",
    [
        {"model": FINE},
        {"model": FINE, "accumulate": 2, "precision": "fp32"},
        {"model": FINE, "loss": {"distill_weight": 1.0}},
        {"loss": {"contrastive": "sigmoid"}, "optim": {"ema": 0.99}},
        {"model": {**MODEL, "grad_checkpointing": True, "sim_type": "meanP", "center_type": ""}},
    ],
    ids=["interaction", "accumulate", "distill", "sigmoid", "mean"],
)
def test_a_step_on_a_gpu_is_queued_without_a_wait_of_the_host(changes: dict[str, Any], monkeypatch) -> None:
    """Tensors on the wrong device, and types that the products of bfloat16 refuse, would be errors too."""
    config = tiny_config(NOWHERE, NOWHERE, **{"precision": "bf16", **changes})
    made = mixed_batches(config.accumulate)
    with fake_gpu(monkeypatch) as gpu:
        with CUDA:
            model = CLIP2Video(config.model)
            average = None if config.optim.ema is None else WeightAverage(model, config.optim.ema)
            optimizer = make_optimizer(model, config.optim)
            step = TrainingStep(config, Ranks(0, 1, CUDA), model, optimizer, average)
        gpu.parameters = list(model.parameters())
        parts = Parts([batch.pin_memory() for batch in made], CUDA, SIZE)
        _, counted = count_operators(lambda: step(0, parts))
    assert counted.waits == 0, counted.operators
    assert not [line for line in gpu.log if "host" in line]
    assert gpu.log[-1] == "event of main"  # after the numbers' copy; reading them is the only wait
    passes = 1 if config.accumulate == 1 else 2
    assert gpu.log.count("on side") == passes * config.accumulate
    assert gpu.log.count("main waits for side") == passes * config.accumulate
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


def test_a_step_keeps_the_logit_scale_at_or_below_its_largest() -> None:
    config = tiny_config(NOWHERE, NOWHERE, optim={"max_logit_scale": 2.0})
    model = CLIP2Video(config.model)  # which starts at 14
    step = TrainingStep(config, Ranks(0, 1, CPU), model, make_optimizer(model, config.optim))
    step(0, Parts(batches(1), CPU, SIZE)).result()
    assert model.clip.logit_scale.exp().item() == pytest.approx(2)
