"""Weights of a new run: pretrained towers, or an earlier checkpoint with new modules added."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from typing import Any

from torch import Tensor

from schemas.errors import ConfigError
from storage.read import kind
from storage.uris import join
from trainer.model.clip2video import CLIP2Video, build_model
from trainer.model.config import ModelConfig
from trainer.model.io import CONFIG_FILE, WEIGHTS_FILE, follow, read_config
from trainer.model.towers import reading
from trainer.model.weights.files import read_state_dict

# Options of which one can make another pointless: they are inherited together or not at all.
VARIANT = ("sim_type", "temporal_type", "temporal_proj", "center_type", "center_proj")
# The first changes the memory that a run takes, and no result; the second belongs to the loss of a run.
NOT_INHERITED = ("grad_checkpointing", "logit_bias")
# Modules that a checkpoint may lack altogether; they start as they would in a run of their own.
NEW_MODULES = ("interaction.", "sequence.", "frame_positions.", "tdb.", "tab.", "logit_bias")


def inherit_model(given: Mapping[str, Any], init: str) -> dict[str, Any]:
    """Return the `model` section of a run that starts from the checkpoint `init`.

    `given` are the fields that a recipe and the command line set; the others are those of the checkpoint. A
    checkpoint without a readable config gives none. Raises ConfigError if `given` is no mapping.
    """
    if not isinstance(given, Mapping):
        raise ConfigError(f"model = {given!r} must be a mapping of fields")
    saved: dict[str, Any] = {}
    with suppress(ConfigError):  # `make_model` says what is wrong with a checkpoint
        saved = read_config(init).to_dict()
    left_out = set(NOT_INHERITED)
    if any(name in given for name in VARIANT):
        left_out.update(VARIANT)
    model = {name: value for name, value in saved.items() if name not in left_out} | dict(given)
    inner = given.get("interaction")
    if isinstance(inner, Mapping) and "interaction" in saved:
        model["interaction"] = {**saved["interaction"], **inner}
    return model


def make_model(config: ModelConfig, init: str | None) -> tuple[CLIP2Video, list[str]]:
    """Return the model to train, on the CPU, and lines that say how it differs from the checkpoint `init`.

    Raises ConfigError if the checkpoint cannot be read, naming the keys that do not fit, or if its towers
    were trained with other settings.
    """
    if init is None:
        return build_model(config), []
    path = join(follow(init), WEIGHTS_FILE)
    if kind(path) != "file":
        raise ConfigError(
            f"init={init}: there is no {WEIGHTS_FILE}; give a checkpoint folder such as runs/pretrain/last"
        )
    notes = _check_config(config, init)
    model = CLIP2Video(config)
    weights = read_state_dict(path)
    if model.logit_bias is None and weights.pop("logit_bias", None) is not None:
        notes.append(f"left out the logit_bias of {init}: the loss is not the sigmoid one")
    new = _check_keys(model, weights, init)
    model.load_state_dict(weights, strict=False)
    if new:
        model.start_from_clip()  # from these towers; then what the checkpoint does have of the rest again
        model.load_state_dict(weights, strict=False)
        notes.append(f"not in {init}, so started new: {', '.join(new)}")
    if model.interaction is not None and "interaction" not in new:
        notes.append(f"the interaction module comes from {init} too")
    return model, notes


def _check_config(config: ModelConfig, init: str) -> list[str]:
    """Compare the configs where names and shapes of weights do not differ -> notes for the user.

    Raises ConfigError if the towers would be misread.
    """
    if kind(join(follow(init), CONFIG_FILE)) != "file":
        return []
    before = read_config(init)
    there, here = reading(before), reading(config)
    for name, value in there.items():
        if here[name] != value:
            clip = ""
            if isinstance(before.clip, str):
                clip = f": {before.clip}"
            raise ConfigError(
                f"init={init}: its towers were trained with {name} {value}, the config's have {here[name]}; "
                f"take `model.clip` and `model.pretrained` from {join(init, CONFIG_FILE)}{clip}"
            )
    compared = sorted(
        ModelConfig.model_fields.keys() - {"clip", "pretrained", "interaction", "grad_checkpointing"}
    )
    pairs = [(name, getattr(before, name), getattr(config, name)) for name in compared]
    return [f"model.{name} was {was!r} in {init} and is {now!r}" for name, was, now in pairs if was != now]


def _check_keys(model: CLIP2Video, weights: dict[str, Tensor], init: str) -> list[str]:
    own = model.state_dict()
    absent = [
        name
        for name in NEW_MODULES
        if any(k.startswith(name) for k in own) and not any(k.startswith(name) for k in weights)
    ]
    # A module that is wholly absent starts with new weights. A part of one is a mistake.
    missing = [key for key in own if key not in weights and not key.startswith(tuple(absent))]
    unknown = [key for key in weights if key not in own]
    if any(key.startswith("interaction.") for key in unknown) and model.interaction is None:
        raise ConfigError(
            f"init={init}: the checkpoint has an interaction module; set model.interaction.enabled=true to "
            "keep it, with the width and depth of the checkpoint"
        )
    shapes = [
        f"{key} {list(weights[key].shape)} instead of {list(own[key].shape)}"
        for key in own
        if key in weights and weights[key].shape != own[key].shape
    ]
    for what, keys in (
        ("lacks", missing),
        ("has, and the model has not,", unknown),
        ("has another shape for", shapes),
    ):
        if keys:
            more = ""
            if len(keys) > 5:
                more = f" and {len(keys) - 5} more"
            raise ConfigError(
                f"init={init}: the checkpoint {what} {', '.join(keys[:5])}{more}; make `model` fit the "
                "checkpoint"
            )
    return [name.removesuffix(".") for name in absent]
