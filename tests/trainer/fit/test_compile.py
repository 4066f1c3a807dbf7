"""compile=true computes what compile=false does."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from tiny_run import tiny_values
from torch._dynamo.testing import CompileCounter

from tests.trainer.device.test_ranks import agree, inputs, loss_and_gradients
from trainer.data.packing import pack
from trainer.device.ranks import Ranks
from trainer.fit.config import TrainConfig
from trainer.model.clip2video import CLIP2Video
from trainer.objective.gradients import Gradients


@pytest.mark.parametrize(("interaction", "parts", "checkpointing"), [(False, 1, True), (True, 2, False)])
def test_compiled_encoders_give_the_eager_loss_and_gradients(
    interaction, parts, checkpointing, monkeypatch
) -> None:
    compiled, compile_ = [], torch.nn.Module.compile

    def without_code(
        self: torch.nn.Module, *arguments: Any, **options: Any
    ) -> None:  # inductor would want a C++ compiler
        compiled.append(type(self).__name__)
        compile_(self, *arguments, backend="aot_eager", **options)

    monkeypatch.setattr(torch.nn.Module, "compile", without_code)
    torch.compiler.reset()
    results = []
    for switch in (False, True):
        values = tiny_values(Path("x"), Path("y"), compile=switch)
        values["model"] |= {
            "interaction": {"enabled": interaction, "depth": 1},
            "grad_checkpointing": checkpointing,
        }
        results.append(loss_and_gradients(TrainConfig.make(values), Ranks(0, 1, torch.device("cpu")), parts))
    assert compiled == ["Encoder"]
    agree(*results)


def test_one_compilation_serves_every_amount_of_padding_and_names_stay(monkeypatch) -> None:
    counter = CompileCounter()
    compile_ = torch.nn.Module.compile
    monkeypatch.setattr(torch.nn.Module, "compile", lambda self, **_: compile_(self, backend=counter))
    torch.compiler.reset()
    config = TrainConfig.make(tiny_values(Path("x"), Path("y"), compile=True))
    model = CLIP2Video(config.model)
    names = list(model.state_dict())
    gradients = Gradients(model, Ranks(0, 1, torch.device("cpu")), config.loss, compile=True)
    for lengths in ((4, 4, 2, 1), (4, 1, 1, 1), (2, 4, 4, 3), (4, 4, 4, 2)):
        part = inputs(slice(0, 4))
        mask = (torch.arange(4) < torch.tensor(lengths)[:, None]).long()
        gradients.backward([replace(part, frame_mask_BT=mask, packing=pack(mask))], seed=0)
    assert counter.frame_count == 1
    assert list(model.state_dict()) == names
