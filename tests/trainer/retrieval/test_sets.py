"""Named sets in one evaluation, and CLIP's towers without a checkpoint."""

from __future__ import annotations

import json
from pathlib import Path

import make_shards as shards_of
import pytest
import torch
from safetensors.torch import save_file
from tiny_index import checkpoint
from tiny_run import MODEL

from schemas.errors import ConfigError
from trainer.model.clip2video import CLIP2Video
from trainer.model.config import ModelConfig
from trainer.retrieval.config import EvaluateConfig
from trainer.retrieval.evaluate import evaluate, evaluate_sets
from zoetrope import cli

PLAIN = {"workers": 0, "batch_size": 4}


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A checkpoint, two sets of shards and a file of CLIP weights."""
    folder = tmp_path_factory.mktemp("place")
    checkpoint(folder / "model")
    shards_of.write_shards(folder / "first", 2, 5, "video", captions=("one", "two"))
    shards_of.write_shards(folder / "second", 1, 6, "video")
    clip = CLIP2Video(ModelConfig.make({**MODEL, "sim_type": "meanP", "center_type": ""})).clip
    save_file(clip.state_dict(), folder / "clip.safetensors")
    return folder


def config(**values) -> EvaluateConfig:
    return EvaluateConfig.make({"device": "cpu", "data": PLAIN, **values})


def alone(place: Path, name: str, **values) -> dict:
    data = {**PLAIN, "shards": str(place / name)}
    return evaluate(config(checkpoint=str(place / "model"), data=data, **values)).__dict__


def comparable(result) -> dict:
    return {name: value for name, value in vars(result).items() if name != "seconds"}


def test_each_set_has_the_numbers_that_it_has_alone(place: Path, tmp_path: Path) -> None:
    values = {
        "checkpoint": str(place / "model"),
        "data": {**PLAIN, "shards": str(place / "first")},
        "sets": {
            "second": {"shards": str(place / "second"), "querybank": str(place / "first")},
            "templates": {"shards": str(place / "first"), "captions": "shared"},
        },
        "output": str(tmp_path / "result.json"),
    }
    found = evaluate_sets(config(**values))
    assert list(found) == ["", "second", "templates"]
    wanted = {
        "": alone(place, "first"),
        "second": alone(place, "second", querybank=str(place / "first")),
        "templates": alone(place, "first", captions="shared"),
    }
    for name, result in found.items():
        assert comparable(result) == {k: v for k, v in wanted[name].items() if k != "seconds"}
    assert found["templates"].reranked is None
    written = json.loads((tmp_path / "result.json").read_text())
    assert written["coarse"] == found[""].coarse
    assert written["sets"]["second"]["extra"] == found["second"].extra
    assert set(written["sets"]) == {"second", "templates"}


def test_the_command_prints_one_table_of_all_sets(place: Path, capsys) -> None:
    sets = f"sets={{first: {{shards: {place / 'first'}}}, second: {{shards: {place / 'second'}}}}}"
    arguments = [f"checkpoint={place / 'model'}", sets, "data.workers=0", "device=cpu"]
    assert cli.main(["evaluate", *arguments]) == 0
    shown = capsys.readouterr().out
    assert shown.count("R@5") == 1
    assert "first: 10 videos, 20 captions\n" in shown
    assert "second: 6 videos, 6 captions\n" in shown
    assert shown.index("first: 10") < shown.index("second: 6")


def test_the_towers_of_a_weights_file_are_measured_with_mean_pooling(place: Path, capsys) -> None:
    towers = {"clip": MODEL["clip"], "pretrained": str(place / "clip.safetensors")}
    words = {"max_frames": 4, "max_words": 16}
    data = {**PLAIN, "shards": str(place / "second")}
    found = evaluate(config(model={**towers, **words}, data=data))
    model = ModelConfig.make({**MODEL, **towers, "sim_type": "meanP", "center_type": ""})
    from trainer.model.clip2video import build_model
    from trainer.model.io import save_model

    save_model(build_model(model), place / "converted")
    same = evaluate(config(checkpoint=str(place / "converted"), data=data))
    assert comparable(found) == comparable(same)
    assert found.reranked is None
    names = [f"model.clip={json.dumps(MODEL['clip'])}", f"model.pretrained={place / 'clip.safetensors'}"]
    assert (
        cli.main(["evaluate", *names, f"data.shards={place / 'second'}", "device=cpu", "data.workers=0"]) == 0
    )
    assert f"CLIP {place / 'clip.safetensors'}, mean pooling: 6 videos" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({}, "checkpoint is required.*model.pretrained=FILE"),
        ({"checkpoint": "x", "model": {"pretrained": "y"}}, "checkpoint and model exclude each other"),
        ({"checkpoint": "x"}, "data.shards is required"),
        ({"checkpoint": "x", "captions": "first", "sets": {"a": {"shards": "y"}}}, "captions has no effect"),
        ({"checkpoint": "x", "sets": {"a/b": {"shards": "y"}}}, "'a/b' is no name of a set"),
        ({"model": {"clip": "ViT-B-32"}, "data": {"shards": "y"}}, "model.pretrained is required"),
        (
            {"model": {"pretrained": "y"}, "data": {"shards": "y"}, "trained_weights": True},
            "no effect without",
        ),
    ],
)
def test_what_does_not_fit_together_is_one_line(values: dict, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        EvaluateConfig.make(values)


def test_sets_alone_have_no_single_result(place: Path) -> None:
    given = config(checkpoint=str(place / "model"), sets={"a": {"shards": str(place / "second")}})
    with pytest.raises(ConfigError, match="call evaluate_sets"):
        evaluate(given)
    assert torch.is_inference_mode_enabled() is False
    assert list(evaluate_sets(given)) == ["a"]
