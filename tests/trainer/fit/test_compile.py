"""compile=true computes what compile=false does."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.distributed as dist
from tiny_run import tiny_values
from torch._dynamo.testing import CompileCounter

from tests.trainer.device.test_ranks import agree, inputs, loss_and_gradients
from trainer.data.packing import pack
from trainer.device.ranks import Ranks
from trainer.fit.config import TrainConfig
from trainer.model.clip2video import CLIP2Video
from trainer.objective import gradients
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


@pytest.fixture
def group(tmp_path: Path) -> Iterator[None]:
    """A process group of this process alone: DDP does all that it does among several."""
    dist.init_process_group("gloo", init_method=f"file://{tmp_path}/meet", rank=0, world_size=1)
    yield
    dist.destroy_process_group()


@pytest.mark.parametrize("parts", [1, 2])
def test_ddp_cuts_the_compiled_encoder_at_its_buckets_and_keeps_every_bit(
    group: None, parts: int, monkeypatch
) -> None:
    """Cut so, a bucket of gradients is sent while the backward pass of the graphs before it computes."""
    graphs: list[torch.fx.GraphModule] = []

    def counting(graph: torch.fx.GraphModule, _: Any) -> Any:
        graphs.append(graph)
        return graph.forward

    compile_, parallel = torch.nn.Module.compile, gradients.DistributedDataParallel

    class SmallBuckets(parallel):
        def __init__(self, *arguments: Any, **options: Any) -> None:
            super().__init__(*arguments, bucket_cap_mb=1, **options)

    monkeypatch.setattr(torch.nn.Module, "compile", lambda self, **_: compile_(self, backend=counting))
    monkeypatch.setattr(dist, "_DEFAULT_FIRST_BUCKET_BYTES", 20_000)
    torch.compiler.reset()
    config = TrainConfig.make(tiny_values(Path("x"), Path("y")))
    batches = [inputs(slice(i * 8 // parts, (i + 1) * 8 // parts)) for i in range(parts)]
    found = []
    for world, switch in ((1, False), (2, True)):
        torch.manual_seed(0)
        model = CLIP2Video(config.model)
        if world > 1:
            monkeypatch.setattr(gradients, "DistributedDataParallel", SmallBuckets)
        ranks = Ranks(0, world, torch.device("cpu"))
        Gradients(model, ranks, config.loss, compile=switch).backward(batches, seed=0)
        found.append({name: each.grad for name, each in model.named_parameters() if each.grad is not None})
    assert len(graphs) > parts  # with parts, the pass without a graph is one more
    alone, among_ranks = found
    assert alone.keys() == among_ranks.keys()
    for name, gradient in alone.items():
        assert torch.equal(gradient, among_ranks[name]), name
