"""Two ranks measure what one measures, to the last bit, and an error of one ends both."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import make_shards as shards_of
import pytest
import torch
import torch.distributed as dist
from tiny_index import checkpoint, spoil
from tiny_run import tiny_config
from warm import run_ranks

from trainer.device.ranks import Ranks, gather_rows
from trainer.fit.evaluation import evaluate_model, find_sets
from trainer.fit.train import train
from trainer.model.io import load_model
from trainer.retrieval.config import EvaluateConfig
from trainer.retrieval.evaluate import Evaluation, evaluate, evaluate_sets


def settings(folder: Path) -> EvaluateConfig:
    return EvaluateConfig.make(
        {
            "checkpoint": str(folder / "model"),
            "data": {"shards": str(folder / "clips"), "workers": 0, "batch_size": 4},
            "device": "cpu",
            "dual_softmax": True,
            "backwards": True,
            "querybank": str(folder / "clips"),
            "output": str(folder / "result.json"),
        }
    )


def settings_of_sets(folder: Path) -> EvaluateConfig:
    """Three sets of different sizes, the smallest with fewer samples than there are ranks of batches."""
    few = str(folder / "clips" / "0.tar")
    sets = {
        "few": {"shards": few, "captions": "first", "querybank": few},
        "shared": {"shards": str(folder / "clips"), "captions": "shared"},
    }
    return EvaluateConfig.make(
        {
            "checkpoint": str(folder / "model"),
            "data": {"shards": str(folder / "clips"), "workers": 0, "batch_size": 4},
            "sets": sets,
            "device": "cpu",
            "output": str(folder / "sets.json"),
        }
    )


def numbers(results: dict[str, Evaluation]) -> dict[str, Any]:
    """All of the results but the times."""
    return {
        name: {key: value for key, value in vars(result).items() if key != "seconds"}
        for name, result in results.items()
    }


def run_config(folder: Path, output: str, **changes):
    sets = {"one": {"shards": str(folder / "clips")}}
    fixed = {"max_steps": 2, "eval_every": 2, "data": {"workers": 0}, "evaluate": {"sets": sets}}
    return tiny_config(folder / "clips", folder / output, **{**fixed, **changes})


def run_rank(rank: int, folder: str) -> None:
    torch.set_num_threads(1)
    place = Path(folder)
    dist.init_process_group("gloo", init_method=f"file://{folder}/meet", rank=rank, world_size=2)
    ranks = Ranks(rank, 2, torch.device("cpu"))
    result = evaluate(settings(place))
    found: dict[str, Any] = {"coarse": result.coarse, "fine": result.reranked, "extra": result.extra}
    found["sets"] = numbers(evaluate_sets(settings_of_sets(place)))
    rows = torch.arange(6, dtype=torch.float16).view(3, 2)[: 1 + 2 * rank]
    found["rows"] = gather_rows(rows, ranks).tolist()
    found["none"] = gather_rows(rows if rank else torch.empty(0, 0), ranks).tolist()
    found["trained"] = train(run_config(place, "two")).metrics
    broken = load_model(place / "broken" if rank else place / "model")
    (each,) = find_sets(run_config(place, "x"), ranks, broken)
    try:
        evaluate_model(broken, each.make_loader(), ranks.device, ranks=ranks)
    except Exception as error:
        found["error"] = f"{type(error).__name__}: {error}"
    torch.save(found, f"{folder}/{rank}.pt")
    dist.destroy_process_group()


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("ranks")
    samples = [
        shards_of.sample(
            i, image_id=f"v{i // 2}", phrase=f"as it does {i % 2}", motion=("pan_left", "zoom_in")[i % 2]
        )
        for i in range(14)
    ]
    for shard, start in enumerate((0, 5, 10)):  # fewer samples than two ranks of batches would be even with
        shards_of.write_shard(place / "clips" / f"{shard}.tar", samples[start : start + 5])
    checkpoint(place / "model")
    spoil(checkpoint(place / "broken"), "clip.visual.proj")
    return place


@pytest.fixture(scope="module")
def two(folder: Path) -> list[dict[str, Any]]:
    run_ranks(run_rank, str(folder))
    return [torch.load(folder / f"{rank}.pt", weights_only=False) for rank in range(2)]


def test_two_ranks_measure_what_one_does_to_the_last_bit(two: list[dict[str, Any]], folder: Path) -> None:
    written = json.loads((folder / "result.json").read_text())
    alone = evaluate(settings(folder))
    assert set(alone.extra) == {
        *("motion", "backwards", "backwards.t2v", "qb_norm.t2v", "dual_softmax.t2v", "dual_softmax.v2t")
    }
    for found in two:
        assert found["coarse"] == alone.coarse == written["coarse"]
        assert found["fine"] == alone.reranked == written["reranked"]
        assert found["extra"] == alone.extra == written["extra"]


def test_two_ranks_measure_named_sets_as_one_does_and_the_first_writes_them(
    two: list[dict[str, Any]], folder: Path
) -> None:
    written = json.loads((folder / "sets.json").read_text())
    alone = evaluate_sets(settings_of_sets(folder))
    assert list(alone) == ["", "few", "shared"]
    assert (alone["few"].videos, alone[""].videos) == (5, 14)
    for found in two:
        assert found["sets"] == numbers(alone)
    assert written["coarse"] == alone[""].coarse
    assert written["sets"]["few"]["extra"] == alone["few"].extra
    assert written["sets"]["shared"]["coarse"] == alone["shared"].coarse


def test_rows_of_ranks_come_in_order_also_from_a_rank_that_has_none(two: list[dict[str, Any]]) -> None:
    for found in two:
        assert found["rows"] == [[0, 1], [0, 1], [2, 3], [4, 5]]
        assert found["none"] == [[0, 1], [2, 3], [4, 5]]


def test_a_run_on_two_ranks_measures_its_checkpoint_as_one_process_does(
    two: list[dict[str, Any]], folder: Path
) -> None:
    values = {
        "checkpoint": str(folder / "two" / "last"),
        "data": {"shards": str(folder / "clips"), "workers": 0},
    }
    alone = evaluate(EvaluateConfig.make({**values, "device": "cpu"}))
    for found in two:
        measured = {
            way: {n: found["trained"][f"one/{way}.{n}"] for n in alone.coarse[way]} for way in alone.coarse
        }
        assert measured == alone.coarse
        assert found["trained"]["one/eval.videos"] == alone.videos


def test_an_error_of_one_rank_ends_all_of_them(two: list[dict[str, Any]]) -> None:
    assert "not finite" in two[1]["error"]
    assert two[1]["error"].startswith("NotFiniteError")
    assert two[0]["error"].startswith("RunError: rank 1: s0000")
