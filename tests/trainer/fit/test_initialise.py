"""The interaction module from pretraining to fine-tuning and re-ranking."""

from __future__ import annotations

import json
from pathlib import Path

import make_shards as shards_of
import pytest
import torch
from tiny_run import tiny_config

from schemas.errors import ConfigError
from trainer.fit.initialise import inherit_model
from trainer.fit.train import train
from trainer.model.io import load_model
from trainer.retrieval.config import EvaluateConfig
from trainer.retrieval.evaluate import evaluate

INTERACTION = {"interaction": {"enabled": True, "depth": 1, "top_k": 3}}


@pytest.fixture(scope="module")
def stills(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return shards_of.write_shards(tmp_path_factory.mktemp("stills"), 1, 16)


@pytest.fixture(scope="module")
def pretrained(stills: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    run = tmp_path_factory.mktemp("pretrained") / "run"
    train(tiny_config(stills, run, max_steps=6, model=INTERACTION))
    return run / "last"


def test_pretraining_trains_the_dual_encoder_and_the_interaction_module(
    stills: Path, pretrained: Path, tmp_path: Path
) -> None:
    lines = map(json.loads, (pretrained.parent / "metrics.jsonl").read_text().splitlines())
    record = list(lines)[-1]
    assert record["loss"] == pytest.approx(record["contrastive"] + record["match"], rel=1e-5)
    train(
        tiny_config(
            stills, tmp_path / "one", max_steps=1, model=INTERACTION, optim={"lr_new": 0, "lr_clip": 0}
        )
    )
    before = load_model(tmp_path / "one" / "last").state_dict()  # the same seed, and nothing learned
    moved = {
        key
        for key, value in load_model(pretrained).state_dict().items()
        if not torch.equal(value, before[key])
    }
    assert {"clip.visual.proj", "interaction.head.weight", "tab.weight_center"} <= moved


def test_fine_tuning_keeps_the_interaction_module_and_says_so(
    stills: Path, pretrained: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    config = tiny_config(
        stills,
        tmp_path / "tuned",
        max_steps=2,
        init=str(pretrained),
        model=INTERACTION,
        data={"eval_shards": str(stills)},
        evaluate={"before": True},
    )
    train(config)
    assert f"the interaction module comes from {pretrained} too" in caplog.text
    lines = (tmp_path / "tuned" / "metrics.jsonl").read_text().splitlines()
    untrained = next(record for record in map(json.loads, lines) if record["step"] == 0)
    values = {"checkpoint": str(pretrained), "data": {"shards": str(stills), "workers": 0}, "device": "cpu"}
    found = evaluate(EvaluateConfig.make(values))
    assert found.top_k == 3
    assert found.reranked is not None
    for name, value in found.reranked["t2v"].items():  # the pretrained module re-ranks before the first step
        assert untrained[f"rerank.t2v.{name}"] == value
    tuned = load_model(tmp_path / "tuned" / "last").state_dict()
    before = load_model(pretrained).state_dict()
    assert not torch.equal(tuned["interaction.head.weight"], before["interaction.head.weight"])


def test_leaving_the_interaction_module_out_is_an_error_that_names_it(
    stills: Path, pretrained: Path, tmp_path: Path
) -> None:
    with pytest.raises(ConfigError, match=r"has an interaction module; set model.interaction.enabled=true"):
        train(tiny_config(stills, tmp_path / "run", init=str(pretrained)))


def test_a_new_interaction_module_is_named_as_new(
    stills: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    train(tiny_config(stills, tmp_path / "dual", max_steps=1))
    init = str(tmp_path / "dual" / "last")
    train(tiny_config(stills, tmp_path / "both", max_steps=1, init=init, model=INTERACTION))
    assert "so started new: interaction" in caplog.text
    assert "comes from" not in caplog.text


def test_a_run_may_change_between_softmax_and_sigmoid(
    stills: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """The bias belongs to the sigmoid loss: it is trained, saved, kept by a sigmoid run, and left out by others."""
    caplog.set_level("INFO")
    sigmoid = {"loss": {"contrastive": "sigmoid"}, "max_steps": 2}
    train(tiny_config(stills, tmp_path / "soft", max_steps=1))
    train(tiny_config(stills, tmp_path / "sig", init=str(tmp_path / "soft" / "last"), **sigmoid))
    assert "so started new: logit_bias" in caplog.text
    bias = load_model(tmp_path / "sig" / "last").logit_bias
    assert bias is not None
    assert 0 < (bias + 10).abs().max() < 0.1
    init = str(tmp_path / "sig" / "last")
    still = {"optim": {"lr_new": 0.0, "lr_clip": 0.0}}
    train(tiny_config(stills, tmp_path / "sig2", init=init, **sigmoid, **still))
    kept = load_model(tmp_path / "sig2" / "last").logit_bias
    assert kept is not None
    assert torch.equal(kept, bias)
    train(tiny_config(stills, tmp_path / "soft2", max_steps=1, init=init))
    assert f"left out the logit_bias of {init}" in caplog.text
    assert load_model(tmp_path / "soft2" / "last").logit_bias is None
    assert "logit_bias" not in inherit_model({}, init)
