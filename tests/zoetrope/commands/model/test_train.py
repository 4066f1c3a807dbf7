"""The config that `zoetrope train` makes of a recipe, overrides and a checkpoint."""

from __future__ import annotations

import logging

import pytest
from tiny_index import checkpoint

from schemas.errors import ConfigError
from trainer.fit.config import TrainConfig
from zoetrope.commands.model.train import _parser, read_train_config

PLACES = ("data.shards=x", "output=y")


def config(*arguments: str) -> TrainConfig:
    return read_train_config(_parser().read([*arguments, *PLACES]))


def test_a_length_on_the_command_line_replaces_the_recipes() -> None:
    recipe = config("--config", "finetune_msvd")
    assert (recipe.max_steps, recipe.max_samples) == (None, 240_000)
    steps = config("--config", "finetune_msvd", "max_steps=7")
    assert (steps.max_steps, steps.max_samples) == (7, None)
    samples = config("--config", "debug", "max_samples=640")
    assert (samples.max_steps, samples.max_samples) == (None, 640)
    with pytest.raises(ConfigError, match="exactly one of max_steps and max_samples"):
        config("max_steps=7", "max_samples=7")
    assert config("--config", "finetune_msvd", "max_steps=null").max_samples == 240_000


def test_init_gives_the_model_where_nothing_else_is_set(tmp_path, caplog) -> None:
    made = checkpoint(tmp_path / "checkpoint", centerK=7, center_weight=0.3)
    with caplog.at_level(logging.INFO):
        found = config("max_steps=1", f"init={made}", "model.max_words=9", "model.interaction.top_k=3").model
    assert (found.centerK, found.center_weight, found.max_frames) == (7, 0.3, 4)
    assert found.clip_shape is not None
    assert found.max_words == 9
    assert (found.interaction.enabled, found.interaction.depth, found.interaction.top_k) == (True, 1, 3)
    (line,) = caplog.messages
    assert "centerK=7" in line
    assert "max_words" not in line


def test_an_option_of_the_variant_brings_its_own_defaults(tmp_path) -> None:
    made = checkpoint(tmp_path / "checkpoint")
    model = config("max_steps=1", f"init={made}", "model.sim_type=meanP").model
    assert (model.sim_type, model.temporal_type, model.center_proj) == ("meanP", "", "")


def test_a_recipe_wins_over_the_checkpoint(tmp_path) -> None:
    made = checkpoint(tmp_path / "checkpoint", centerK=7)
    assert config("--config", "finetune_msvd", f"init={made}").model.centerK == 5


def test_a_checkpoint_that_is_not_there_is_left_to_the_run(tmp_path) -> None:
    assert config("max_steps=1", f"init={tmp_path}/nothing").model == config("max_steps=1").model
