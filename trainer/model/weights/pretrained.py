"""Pretrained weights of the CLIP towers: found or downloaded, checked and loaded."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

from open_clip import pretrained as open_clip_pretrained
from open_clip.model import (
    CLIP,
    CustomTextCLIP,
    convert_to_custom_text_state_dict,
    resize_pos_embed,
    resize_text_pos_embed,
)
from torch import Tensor

from schemas.errors import ConfigError
from schemas.text import one_line
from storage.uris import is_remote
from trainer.model.config import ModelConfig
from trainer.model.towers import Clip, uses_quick_gelu
from trainer.model.weights.files import read_state_dict
from trainer.model.weights.names import openai_names

LOG = logging.getLogger(__name__)
NOT_WEIGHTS = ("input_resolution", "context_length", "vocab_size", "attn_mask")  # in OpenAI's archives


def load_pretrained(clip: Clip, config: ModelConfig) -> None:
    """Load `config.pretrained` (a tag, which open_clip downloads, or a file or URI) into the towers.

    Raises ConfigError if it does not fit or was trained with another GELU.
    """
    if config.pretrained is None:
        return
    path, quick_gelu = _resolve(config)
    state = read_state_dict(path)
    if isinstance(clip, CLIP):
        state = openai_names(state, path)
    if "input_resolution" in state:
        quick_gelu = True  # OpenAI's archives
    if quick_gelu is not None and quick_gelu != uses_quick_gelu(clip):
        wanted, fix = "exact GELU", "without"
        if quick_gelu:
            wanted, fix = "QuickGELU", "with"
        raise ConfigError(
            f"pretrained = {config.pretrained!r} was trained with {wanted}, clip = {config.clip!r} has the "
            f"other: use the name {fix} -quickgelu"
        )
    load_clip_state(clip, state, str(config.pretrained))


def _resolve(config: ModelConfig) -> tuple[str, bool | None]:
    tag = str(config.pretrained)
    if is_remote(tag) or Path(tag).exists() or tag.endswith((".pt", ".bin", ".safetensors", ".pth")):
        return tag, None
    if not isinstance(config.clip, str):
        raise ConfigError(
            f"pretrained = {tag!r}: towers given by size have no tags; give a file, or a name as model.clip"
        )
    base = str(config.clip).removesuffix("-quickgelu")
    for name in (str(config.clip), f"{base}-quickgelu", base):
        settings = open_clip_pretrained.get_pretrained_cfg(name, tag)
        if settings:
            return _download(settings, f"{name} {tag}"), bool(settings.get("quick_gelu", False))
    known = ", ".join(open_clip_pretrained.list_pretrained_tags_by_model(str(config.clip))) or "none"
    raise ConfigError(
        f"pretrained = {tag!r} is neither a file nor a tag of {config.clip!r}; its tags: {known}"
    )


def _download(settings: dict[str, Any], name: str) -> str:
    """The weights' file, fetched if it is not in open_clip's cache.

    Raises ConfigError if it cannot be obtained.
    """
    try:
        return str(open_clip_pretrained.download_pretrained(settings))
    except Exception as error:  # Hub, HTTP and socket libraries each raise their own
        raise ConfigError(
            f"pretrained: {name} cannot be downloaded ({one_line(error, 150)}); fetch the file on a machine "
            "that can, and give its path as model.pretrained"
        ) from None


def load_clip_state(clip: Clip, state: dict[str, Tensor], name: str) -> None:
    """Load a CLIP state dict in OpenAI's or open_clip's naming, as float32.

    For another image size the grid of positions is resized (open_clip's `resize_pos_embed`). Without a
    logit_scale the one at the start of CLIP's training stays, with a warning. Raises ConfigError if it does
    not fit.
    """
    weights = {key: value.float() for key, value in state.items() if key not in NOT_WEIGHTS}
    if getattr(clip, "logit_bias", None) is None:
        weights.pop("logit_bias", None)
    if isinstance(clip, CustomTextCLIP):
        weights = convert_to_custom_text_state_dict(weights)
    if "logit_scale" not in weights:
        LOG.warning("weights %s: no logit_scale in them; it starts at %.2f", name, clip.logit_scale.item())
        weights["logit_scale"] = clip.logit_scale.detach().clone()
    try:
        weights["logit_scale"] = weights["logit_scale"].reshape(clip.logit_scale.shape)
        resize_pos_embed(weights, clip)
        resize_text_pos_embed(weights, clip)
        clip.load_state_dict(weights)
    except (RuntimeError, AssertionError, IndexError, KeyError, ValueError) as error:
        raise ConfigError(f"pretrained = {name!r} does not fit the towers: {one_line(error, 400)}") from None
