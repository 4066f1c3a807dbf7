"""Two processes, and a share encoded in parts, give the loss and the gradients of one process with the whole
batch.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.distributed as dist
from tiny_run import tiny_values
from warm import run_ranks

from schemas.errors import ConfigError
from trainer.data.animate import Inputs
from trainer.device.ranks import Ranks, gather, gather_objects, maximum, mean
from trainer.fit.config import TrainConfig
from trainer.fit.resume import check_ranks
from trainer.model.clip2video import CLIP2Video
from trainer.objective.gradients import Gradients
from trainer.optimise.optim import freeze

SAMPLES = 8


SIGMOID, DISTILL = {"contrastive": "sigmoid"}, {"distill_weight": 2.0, "distill_candidates": 3}


def config(interaction: bool, frozen: str = "none", **changes: Any) -> TrainConfig:
    values = tiny_values(Path("x"), Path("y"), freeze=frozen, **changes)
    values["model"] = {**values["model"], "interaction": {"enabled": interaction, "depth": 1}}
    return TrainConfig.make(values)


def inputs(rows: slice) -> Inputs:
    """A part of one fixed batch; two samples show the same picture, one clip is short."""
    generator = torch.Generator().manual_seed(3)
    frames = torch.randint(0, 256, (SAMPLES, 4, 32, 32, 3), generator=generator, dtype=torch.uint8)
    tokens = torch.randint(1, 40000, (SAMPLES, 16), generator=generator)
    tokens[:, 0], tokens[:, 10], tokens[:, 11:] = 49406, 49407, 0
    mask = torch.ones(SAMPLES, 4, dtype=torch.int64)
    mask[5, 2:] = 0
    ids = torch.tensor([0, 1, 2, 3, 4, 5, 1, 7])
    words = (torch.arange(16) <= 10).long().expand(SAMPLES, -1)
    keys = [str(i) for i in range(SAMPLES)]
    places = torch.arange(rows.stop - rows.start)
    return Inputs(keys[rows], frames[rows], mask[rows], tokens[rows], words[rows], ids[rows], places)


def loss_and_gradients(settings: TrainConfig, ranks: Ranks, parts: int) -> dict[str, Any]:
    torch.manual_seed(0)
    model = CLIP2Video(settings.model)
    freeze(model, settings.freeze)
    each = SAMPLES // ranks.world // parts
    first = ranks.rank * SAMPLES // ranks.world
    batches = [inputs(slice(first + i * each, first + (i + 1) * each)) for i in range(parts)]
    gradients = Gradients(
        model, ranks, settings.loss, compile=settings.compile, dual_frozen=settings.freeze == "dual"
    )
    loss = gradients.backward(batches, seed=11)
    numbers = mean(torch.stack([loss.total.detach(), loss.negatives, *loss.parts.values()]), ranks)
    return {
        "numbers": numbers.tolist(),
        "gradients": {
            name: p.grad.numpy().copy() for name, p in model.named_parameters() if p.grad is not None
        },
    }


def run_rank(rank: int, folder: str) -> None:
    torch.set_num_threads(1)
    dist.init_process_group("gloo", init_method=f"file://{folder}/meet", rank=rank, world_size=2)
    ranks = Ranks(rank, 2, torch.device("cpu"))
    results: dict[str, Any] = {
        f"{interaction}-{parts}": loss_and_gradients(config(interaction), ranks, parts)
        for interaction, parts in ((False, 1), (True, 1), (True, 2))
    }
    results["sigmoid-1"] = loss_and_gradients(config(False, loss=SIGMOID), ranks, 1)
    results["sigmoid-2"] = loss_and_gradients(config(False, loss=SIGMOID), ranks, 2)
    results["distill-2"] = loss_and_gradients(config(True, loss=DISTILL), ranks, 2)
    results["dual-2"] = loss_and_gradients(config(True, "dual"), ranks, 2)
    compile_ = torch.nn.Module.compile
    torch.nn.Module.compile = lambda self, **_: compile_(self, backend="eager")  # type: ignore[method-assign]
    results["compiled"] = loss_and_gradients(config(False, compile=True), ranks, 1)
    own = torch.full((1, 2), float(rank + 1), requires_grad=True)
    gathered = gather(own, ranks)
    (gathered * torch.tensor([[1.0, 2.0], [3.0, 4.0]])).sum().backward()
    results["gather"] = gathered.detach().tolist(), own.grad.tolist()  # type: ignore[union-attr]
    upstream = torch.ones(2, 2)
    gather(torch.zeros(1, 2, requires_grad=True), ranks).backward(upstream)
    results["upstream"] = upstream.tolist()
    try:
        check_ranks(ranks, "a/run/step_00000003" if rank == 0 else None)
    except ConfigError as error:
        results["resume"] = str(error)
    check_ranks(ranks, "a/run/step_00000003")
    results["objects"] = gather_objects(f"rank {rank}", ranks)
    results["maximum"] = maximum(torch.tensor([1.0 + rank, 3.0 - rank]), ranks).tolist()
    torch.save(results, f"{folder}/{rank}.pt")
    dist.destroy_process_group()


@pytest.fixture(autouse=True, scope="module")
def one_thread() -> Iterator[None]:
    """What is compared with two ranks is summed in the same order as there."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="module")
def two(tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, Any]]:
    folder = tmp_path_factory.mktemp("ranks")
    run_ranks(run_rank, str(folder))
    return [torch.load(folder / f"{rank}.pt", weights_only=False) for rank in range(2)]


def agree(one: dict[str, Any], other: dict[str, Any]) -> None:
    assert other["numbers"] == pytest.approx(one["numbers"], abs=1e-5)
    assert one["gradients"].keys() == other["gradients"].keys()
    for name, gradient in one["gradients"].items():
        worst = abs(gradient - other["gradients"][name]).max()
        assert worst <= 1e-5, f"{name}: gradients differ by {worst}"


@pytest.mark.parametrize(("interaction", "parts"), [(False, 1), (True, 1), (True, 2)])
def test_two_processes_equal_one(two: list[dict[str, Any]], interaction: bool, parts: int) -> None:
    alone = loss_and_gradients(config(interaction), Ranks(0, 1, torch.device("cpu")), 1)
    assert max(abs(g).max() for g in alone["gradients"].values()) > 1e-3  # there is something to compare
    for rank in range(2):
        agree(alone, two[rank][f"{interaction}-{parts}"])


def test_two_processes_with_compiled_encoders_equal_one_without(two: list[dict[str, Any]]) -> None:
    alone = loss_and_gradients(config(False), Ranks(0, 1, torch.device("cpu")), 1)
    for rank in range(2):
        agree(alone, two[rank]["compiled"])


@pytest.mark.parametrize(
    ("name", "settings"),
    [
        ("sigmoid-1", config(False, loss=SIGMOID)),
        ("sigmoid-2", config(False, loss=SIGMOID)),
        ("distill-2", config(True, loss=DISTILL)),
    ],
)
def test_two_processes_equal_one_with_every_loss(
    two: list[dict[str, Any]], name: str, settings: TrainConfig
) -> None:
    alone = loss_and_gradients(settings, Ranks(0, 1, torch.device("cpu")), 1)
    usual = loss_and_gradients(
        config(settings.model.interaction.enabled), Ranks(0, 1, torch.device("cpu")), 1
    )
    assert abs(alone["numbers"][0] - usual["numbers"][0]) > 1e-3  # the option does something
    assert ("logit_bias" in alone["gradients"]) == name.startswith("sigmoid")
    for rank in range(2):
        agree(alone, two[rank][name])


def test_two_processes_equal_one_with_a_frozen_dual_encoder(two: list[dict[str, Any]]) -> None:
    alone = loss_and_gradients(config(True, "dual"), Ranks(0, 1, torch.device("cpu")), 1)
    assert all(name.startswith("interaction.") for name in alone["gradients"])
    for rank in range(2):
        agree(alone, two[rank]["dual-2"])


@pytest.mark.parametrize("parts", [2, 4])
def test_parts_keep_every_negative(parts: int) -> None:
    here = Ranks(0, 1, torch.device("cpu"))
    whole, split = (loss_and_gradients(config(True), here, n) for n in (1, parts))
    agree(whole, split)
    assert whole["numbers"][1] == pytest.approx(
        7 - 2 / 8
    )  # seven others; for two of the eight, one is the same picture


def test_negatives_of_other_ranks_matter(two: list[dict[str, Any]]) -> None:
    assert two[0]["False-1"]["numbers"][1] == pytest.approx(7 - 2 / 8)


def test_gather_has_the_gradient_of_every_ranks_loss(two: list[dict[str, Any]]) -> None:
    for rank, expected in enumerate(([[2.0, 4.0]], [[6.0, 8.0]])):
        values, gradient = two[rank]["gather"]
        assert values == [[1.0, 1.0], [2.0, 2.0]]
        assert gradient == expected


def test_gather_leaves_the_gradient_that_it_was_given_as_it_was(two: list[dict[str, Any]]) -> None:
    for results in two:
        assert results["upstream"] == [[1.0, 1.0], [1.0, 1.0]]


def test_ranks_that_would_go_on_from_different_steps_do_not_start(two: list[dict[str, Any]]) -> None:
    for results in two:
        assert "rank 0 sees step_00000003 and rank 1 sees none" in results["resume"]
        assert "storage that every machine of the run shares" in results["resume"]


def test_the_largest_of_each_number_reaches_every_rank(two: list[dict[str, Any]]) -> None:
    assert [result["maximum"] for result in two] == [[2.0, 3.0]] * 2
    alone = torch.tensor([1.0, 5.0])
    assert maximum(alone, Ranks(0, 1, torch.device("cpu"))) is alone


def test_objects_come_in_rank_order(two: list[dict[str, Any]]) -> None:
    assert [result["objects"] for result in two] == [["rank 0", "rank 1"]] * 2
