"""compile=true computes what compile=false does."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from tiny_run import tiny_values

from tests.trainer.device.test_ranks import agree, loss_and_gradients
from trainer.device.ranks import Ranks
from trainer.fit.config import TrainConfig


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
