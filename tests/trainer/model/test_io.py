"""A model as a folder."""

import json
import socket

import pytest
import torch
from tiny_models import tiny_inputs, tiny_model

from schemas.errors import ConfigError
from trainer.model.io import load_model, read_config, save_model


@torch.no_grad()
def test_what_is_loaded_computes_what_was_saved(tmp_path):
    model = tiny_model(interaction={"enabled": True, "depth": 1}, pretrained="gone.pt")
    save_model(model, tmp_path / "m", {"step": 7})
    loaded = load_model(tmp_path / "m")  # pretrained weights are not looked for again
    assert loaded.config == model.config
    assert torch.equal(loaded.similarity(*tiny_inputs()), model.similarity(*tiny_inputs()))
    assert json.loads((tmp_path / "m" / "config.json").read_text())["step"] == 7
    assert sorted(file.name for file in (tmp_path / "m").iterdir()) == ["config.json", "model.safetensors"]


def test_broken_folders_are_told_in_one_line(tmp_path):
    with pytest.raises(ConfigError, match=r"config\.json cannot be read"):
        load_model(tmp_path)
    save_model(tiny_model(), tmp_path)
    (tmp_path / "model.safetensors").write_bytes(b"xx")
    with pytest.raises(ConfigError, match=r"model\.safetensors cannot be loaded"):
        load_model(tmp_path)
    save_model(tiny_model(), tmp_path / "other")
    values = json.loads((tmp_path / "other" / "config.json").read_text())
    values["model"]["centerK"] = 4
    (tmp_path / "other" / "config.json").write_text(json.dumps(values))
    with pytest.raises(ConfigError, match=r"size mismatch for tab\.weight_center"):
        load_model(tmp_path / "other")


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_weights_that_are_not_finite_are_named(tmp_path, value):
    model = tiny_model()
    with torch.no_grad():
        model.tab.weight_center[0, 0] = value
    save_model(model, tmp_path)
    with pytest.raises(ConfigError, match=r"its weight tab\.weight_center has values that are not finite"):
        load_model(tmp_path)


@pytest.mark.parametrize(
    "damaged", [b"", b"\xcd{}", b"[" * 60_000, b'{"model":' + b"9" * 5000 + b"}", bytes(900), b"[]"]
)
def test_a_damaged_config_is_one_line_that_names_it(tmp_path, damaged):
    save_model(tiny_model(), tmp_path)
    (tmp_path / "config.json").write_bytes(damaged)
    with pytest.raises(ConfigError, match=r"config\.json cannot be read") as caught:
        load_model(tmp_path)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("field", "value", "message"),
    [
        ("clip", "hf-hub:laion/x", "is no open_clip model"),
        ("clip", "hf-hub:", "is no open_clip model"),
        ("clip", "local-dir:/", "is no open_clip model"),
        ("tokenizer", "https://elsewhere.example/tokenizer.json", "is not the checkpoint's own"),
        ("tokenizer", "/etc/passwd", "is not the checkpoint's own"),
    ],
)
def test_the_config_of_a_foreign_checkpoint_makes_no_request(tmp_path, monkeypatch, field, value, message):
    save_model(tiny_model(), tmp_path)
    values = json.loads((tmp_path / "config.json").read_text())
    values["model"][field] = value
    (tmp_path / "config.json").write_text(json.dumps(values))
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_: pytest.fail("a name was looked up"))
    with pytest.raises(ConfigError, match=message):
        load_model(tmp_path)


def test_a_checkpoint_that_a_run_lacks_names_those_that_it_has(tmp_path):
    (tmp_path / "run" / "last").mkdir(parents=True)
    with pytest.raises(ConfigError, match=r"run/best: config.json cannot .*; the run has .*/run/last$"):
        read_config(tmp_path / "run" / "best")
    with pytest.raises(ConfigError, match=r"; check the path$"):
        read_config(tmp_path / "none" / "best")


def test_a_run_in_place_of_a_checkpoint_names_its_checkpoints(tmp_path):
    (tmp_path / "run" / "last").mkdir(parents=True)
    with pytest.raises(ConfigError, match=r"the folder is a run, give its checkpoint: .*/run/last$"):
        read_config(tmp_path / "run")
    with pytest.raises(ConfigError, match=r"No such file .*; check the path$"):
        read_config(tmp_path / "nothing")
