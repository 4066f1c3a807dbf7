"""Models too large for the machine or for their checkpoint are refused before they are made."""

from __future__ import annotations

import json

import pytest
from tiny_models import TINY_CLIP, tiny_config, tiny_model

from schemas.errors import ConfigError
from trainer.model.clip2video import CLIP2Video
from trainer.model.config import ModelConfig
from trainer.model.io import load_model, save_model
from trainer.model.size import least_parameters
from trainer.model.towers import tower_settings


def parameters(model: CLIP2Video) -> int:
    return sum(parameter.numel() for parameter in model.parameters())


@pytest.mark.parametrize("changes", [{}, {"sim_type": "meanP"}, {"interaction": {"enabled": True}}])
def test_a_model_has_at_least_the_parameters_that_are_counted(changes):
    config = tiny_config(**changes)
    counted = least_parameters(config, tower_settings(config))
    assert 0.5 * parameters(CLIP2Video(config)) < counted <= parameters(CLIP2Video(config))


@pytest.mark.parametrize(
    "name", ["ViT-B-32-quickgelu", "ViT-H-14", "ViT-bigG-14", "EVA02-B-16", "RN50-quickgelu"]
)
def test_named_towers_are_counted_too(name):
    config = ModelConfig.make({"clip": name})
    assert least_parameters(config, tower_settings(config)) > 50e6


@pytest.mark.parametrize(
    "change",
    [
        {"vision": {"width": 10**9, "head_width": 10**9}},
        {"text": {"width": 10**6, "heads": 1}},
        {"text": {"vocab_size": 10**10}},
        {"text": {"context_length": 10**6}},
        {"vision": {"patch_size": 1, "image_size": 8192, "width": 80_000, "head_width": 8}},
        {"embed_dim": 10**6},
    ],
)
def test_a_model_that_no_memory_holds_is_one_line(change):
    clip = {
        name: {**TINY_CLIP[name], **change.get(name, {})}
        if isinstance(value, dict)
        else change.get(name, value)
        for name, value in TINY_CLIP.items()
    }
    with pytest.raises(ConfigError, match=r"model: its parameters take at least .*make its widths"):
        CLIP2Video(tiny_config(clip=clip))


@pytest.mark.parametrize(
    "change",
    [{"temporal_layers": 10**9}, {"max_frames": 10**9}, {"clip": {"vision": {"layers": 10**9}}}],
)
def test_absurd_numbers_of_layers_and_frames_are_out_of_range(change):
    with pytest.raises(ConfigError, match="is not allowed: it must be >= 1 and <="):
        tiny_config(**change)


def test_a_checkpoint_whose_config_asks_for_more_than_its_weights_hold_is_refused(tmp_path):
    save_model(tiny_model(), tmp_path)
    file = tmp_path / "config.json"
    values = json.loads(file.read_text())
    values["model"]["clip"]["text"]["vocab_size"] = 10**7  # would fit the memory
    file.write_text(json.dumps(values))
    with pytest.raises(ConfigError, match=r"model\.safetensors holds \d+ numbers.*do not belong together"):
        load_model(tmp_path)
    values["model"]["clip"] = "ViT-bigG-14"
    file.write_text(json.dumps(values))
    with pytest.raises(ConfigError, match=r"do not belong together|this machine has"):
        load_model(tmp_path)
