"""The size of a model, from its config alone.

A config of a few bytes can ask for any number of parameters. Two kinds of model are refused before they are
made: one that does not fit the memory of this machine, and one of which a checkpoint holds only a part.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

from schemas.errors import ConfigError
from schemas.text import human_bytes
from trainer.model.config import ModelConfig

BYTES = 4  # of a parameter in float32, in which models are made
USUAL_RATIO = 4.0  # hidden channels of a block's MLP over its channels


def check_memory(config: ModelConfig, settings: Mapping[str, Any]) -> None:
    """Raise ConfigError for a model that is larger than the memory of this machine.

    `settings` are those of its towers, as open_clip has them.
    """
    text = settings.get("text_cfg", {})
    mask = _whole(text.get("context_length"), 77) ** 2  # of the causal attention
    needed = BYTES * (least_parameters(config, settings) + mask)
    here = _memory()
    if needed > here:
        raise ConfigError(
            f"model: its parameters take at least {human_bytes(needed)}, and this machine has "
            f"{human_bytes(here)} of memory; make its widths, layers, vocabulary or positions smaller"
        )


def least_parameters(config: ModelConfig, settings: Mapping[str, Any]) -> int:
    """Count the parameters that a model has at least: the blocks and embeddings, without biases and norms.

    Vision towers of timm, whose sizes open_clip does not state, count as nothing.
    """
    vision, text = settings.get("vision_cfg", {}), settings.get("text_cfg", {})
    count = _blocks(text) + (_whole(text.get("vocab_size")) + _whole(text.get("context_length"))) * _width(
        text
    )
    if not vision.get("timm_model_name"):
        side = _whole(vision.get("image_size"))
        patch = max(1, _whole(vision.get("patch_size"), 1))
        count += _blocks(vision) + (3 * patch**2 + (side // patch) ** 2) * _width(vision)
    width = _whole(settings.get("embed_dim"))
    if config.sim_type == "seqTransf":
        count += config.temporal_layers * _block(width, USUAL_RATIO)
    if config.interaction.enabled:
        count += config.interaction.depth * _block(config.interaction.width or width, USUAL_RATIO)
    if config.center_type:
        count += config.centerK * width
    return count


def _blocks(tower: Mapping[str, Any]) -> int:
    return _whole(tower.get("layers")) * _block(_width(tower), float(tower.get("mlp_ratio") or USUAL_RATIO))


def _block(width: int, ratio: float) -> int:
    """The matrices of attention (4 width^2) and of the MLP."""
    return int((4 + 2 * ratio) * width * width)


def _width(tower: Mapping[str, Any]) -> int:
    return _whole(tower.get("width"))


def _whole(value: Any, default: int = 0) -> int:
    """A number; the default for what is none, such as the stages of a convolutional tower."""
    return value if isinstance(value, int) else default


def _memory() -> int:
    """Bytes of this machine's memory."""
    return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
