"""The moving average of the weights: what it is, that it is what is evaluated, and that a run resumes with it."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import make_shards as shards_of
import pytest
import torch
from safetensors.torch import load_file
from tiny_run import tiny_config

from schemas.errors import ConfigError
from trainer.export.export import export
from trainer.fit.train import train
from trainer.model.io import load_model
from trainer.optimise.average import WeightAverage, averaged
from trainer.retrieval.config import EvaluateConfig
from trainer.retrieval.evaluate import evaluate
from zoetrope import cli


@pytest.fixture(scope="module")
def stills(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return shards_of.write_shards(tmp_path_factory.mktemp("stills"), 2, 8)


def config(stills: Path, run: Path, **changes):
    fixed = {"max_steps": 6, "save_every": 2, "keep": 9, "optim": {"ema": 0.9, "lr_new": 0.01}}
    return tiny_config(stills, run, **{**fixed, **changes})


@pytest.fixture(scope="module")
def run(stills: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("run") / "run"
    train(config(stills, folder, data={"eval_shards": str(stills)}, eval_every=6))
    return folder


def test_it_moves_towards_the_weights_faster_at_the_start() -> None:
    layer = torch.nn.Linear(1, 1, bias=False)
    with torch.no_grad():
        layer.weight.fill_(1.0)
    average, wanted = WeightAverage(layer, 0.5), 1.0
    for step in range(1, 30):
        with torch.no_grad():
            layer.weight.fill_(float(step))
        average.update(step)
        decay = min(0.5, (1 + step) / (10 + step))
        wanted = decay * wanted + (1 - decay) * step
        with averaged(average):  # at each step: the last one has forgotten the first
            assert layer.weight.item() == pytest.approx(wanted)
    assert layer.weight.item() == 29.0


def test_frozen_weights_have_no_average_and_the_trained_ones_come_back_to_the_last_bit() -> None:
    model = torch.nn.Sequential(torch.nn.Linear(3, 3), torch.nn.Linear(3, 3))
    model[0].requires_grad_(False)
    average = WeightAverage(model, 0.9)
    assert average.names == ["1.weight", "1.bias"]
    with torch.no_grad():
        model[1].weight.mul_(1.7)
    average.update(1)
    before = model[1].weight.clone()
    with average.applied():
        assert not torch.equal(model[1].weight, before)
    assert torch.equal(model[1].weight, before)
    with averaged(None):
        assert torch.equal(model[1].weight, before)


def test_a_checkpoint_has_the_averages_as_its_model_and_the_trained_weights_too(
    stills: Path, run: Path, tmp_path: Path
) -> None:
    plain = tmp_path / "plain"
    train(config(stills, plain, optim={"lr_new": 0.01}))
    last = run / "last"
    trained, usual = load_model(last, trained=True).state_dict(), load_model(plain / "last").state_dict()
    assert all(torch.equal(trained[name], usual[name]) for name in usual)  # the average moves no weight
    average = load_model(last).state_dict()
    assert not torch.equal(average["tab.weight_center"], trained["tab.weight_center"])
    with pytest.raises(ConfigError, match=r"was trained without optim.ema"):
        load_model(plain / "last", trained=True)


def test_the_average_is_what_a_run_evaluates(stills: Path, run: Path) -> None:
    values = {"checkpoint": str(run / "last"), "data": {"shards": str(stills), "workers": 0}, "device": "cpu"}
    found = [evaluate(EvaluateConfig.make({**values, "trained_weights": value})) for value in (False, True)]
    record = json.loads((run / "metrics.jsonl").read_text().splitlines()[-1])
    assert record["t2v.MnR"] == found[0].coarse["t2v"]["MnR"]
    assert record["v2t.MnR"] == found[0].coarse["v2t"]["MnR"]
    assert found[0].coarse != found[1].coarse


def test_a_resumed_run_repeats_weights_and_averages_bit_for_bit(
    stills: Path, run: Path, tmp_path: Path
) -> None:
    again = tmp_path / "again"
    shutil.copytree(run, again, symlinks=True)
    for step in (4, 6):
        shutil.rmtree(again / f"step_{step:08d}")
    data = {"eval_shards": str(stills)}
    train(config(stills, again, data=data, eval_every=6, resume=True))
    for name in ("model.safetensors", "state/tensors.safetensors"):
        one, other = (load_file(folder / "step_00000006" / name) for folder in (run, again))
        assert one.keys() == other.keys()
        assert all(torch.equal(one[key], other[key]) for key in one), name
    with pytest.raises(ConfigError, match=r"resume: optim.ema was 0.9 in step_00000006 and is None"):
        train(config(stills, again, data=data, eval_every=6, resume=True, optim={"lr_new": 0.01}))


def test_an_export_has_the_averages_or_on_request_the_trained_weights(run: Path, tmp_path: Path) -> None:
    average, trained = load_model(run / "last"), load_model(run / "last", trained=True)
    for name, model in (("average", average), ("trained", trained)):
        output = tmp_path / name
        arguments = ["--to", "open_clip", "-o", str(output)]
        switch = ["--trained-weights"] if name == "trained" else []
        assert cli.main(["export", str(run / "last"), *arguments, *switch]) == 0
        (file,) = output.glob("*.safetensors")
        assert torch.equal(load_file(file)["visual.proj"], model.clip.visual.proj)
    assert not torch.equal(average.clip.visual.proj, trained.clip.visual.proj)
    with pytest.raises(ConfigError, match="--trained-weights has no effect with --to npy"):
        export(run / "last", "npy", tmp_path / "x", trained_weights=True)
