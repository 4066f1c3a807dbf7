"""Names under which CLIP's weights come: of each library, and inside other models."""

from __future__ import annotations

import logging
from collections.abc import Callable

import pytest
import torch
from tiny_models import rough_model
from torch import Tensor

from trainer.export.huggingface import huggingface_state
from trainer.model.weights.names import openai_names
from trainer.model.weights.official import load_clip

State = dict[str, Tensor]
TEXT = ("transformer.", "token_embedding.", "ln_final.", "positional_embedding", "text_projection")


@pytest.fixture(scope="module")
def model():
    return rough_model()


def clip_of(model) -> State:
    return {name: value.clone() for name, value in model.clip.state_dict().items()}


def below(prefix: str) -> Callable[[State], State]:
    return lambda state: {prefix + name: value for name, value in state.items()}


def assert_loads(model, state: State) -> None:
    loaded = load_clip(state, max_words=8).clip.state_dict()
    for name, value in clip_of(model).items():
        torch.testing.assert_close(loaded[name], value)


@pytest.mark.parametrize("prefix", ["", "module.", "_orig_mod.", "_orig_mod.module.", "model.", "net.clip."])
def test_a_prefix_of_every_name_does_not_matter(model, prefix: str) -> None:
    assert_loads(model, below(prefix)(clip_of(model)))


def test_a_part_that_was_compiled_alone_is_read(model) -> None:
    state = {name.replace("visual.", "visual._orig_mod."): value for name, value in clip_of(model).items()}
    assert_loads(model, state)


def test_a_text_tower_in_a_module_of_its_own_is_read(model) -> None:
    state = {("text." * name.startswith(TEXT)) + name: value for name, value in clip_of(model).items()}
    assert_loads(model, state)


@pytest.mark.parametrize("prefix", ["", "model."])
def test_weights_of_transformers_are_read(model, prefix: str) -> None:
    state = huggingface_state(model)
    for tower, positions in (("text", 16), ("vision", 5)):  # of versions before 4.31
        state[f"{tower}_model.embeddings.position_ids"] = torch.arange(positions)[None]
    assert_loads(model, below(prefix)(state))


def test_the_clip_inside_another_model_is_taken_and_the_rest_named(model, caplog) -> None:
    state = below("clip.")(clip_of(model)) | {"transformerClip.x": torch.zeros(1), "loss": torch.zeros(1)}
    with caplog.at_level(logging.WARNING):
        assert_loads(model, state)
    assert "the CLIP in clip. is taken; left out: loss, transformerClip" in caplog.text


def test_without_a_scale_the_one_of_the_start_of_training_stays(model, caplog) -> None:
    state = clip_of(model)
    del state["logit_scale"]
    with caplog.at_level(logging.WARNING):
        loaded = load_clip(state, max_words=8)
    assert loaded.clip.logit_scale.item() == pytest.approx(2.6593, abs=1e-4)
    assert "no logit_scale in them; it starts at 2.66" in caplog.text


def test_weights_of_another_kind_keep_their_names() -> None:
    one = torch.zeros(1)
    assert openai_names({"a": one, "b.c": one}, "x").keys() == {"a", "b.c"}
    two = {f"{part}.visual.conv1.weight": one for part in ("teacher", "student")}
    assert openai_names(two, "x").keys() == two.keys()
