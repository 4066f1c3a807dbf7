"""Official CLIP2Video state dicts: their names, the towers' sizes read from them, and strict loading."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from schemas.errors import ConfigError
from trainer.model.clip2video import CLIP2Video
from trainer.model.config import ModelConfig
from trainer.model.weights.files import plain_state_dict, read_state_dict
from trainer.model.weights.names import openai_names
from trainer.model.weights.pretrained import NOT_WEIGHTS, load_clip_state

LOG = logging.getLogger(__name__)
OURS_TO_OFFICIAL = {  # name prefixes
    "clip.": "clip.",
    "frame_positions.": "frame_position_embeddings.",
    "sequence.": "transformerClip.",
    "tdb.types.": "type_position_embeddings.",
    "tdb.norm.": "trans_layernorm.",
    "tdb.attention.": "frame2t_attention.",
    "tdb.projection": "frame2t_projection",
    "tab.weight_center": "weight_center",
    "tab.emb_center": "emb_center",
    "tab.actions.": "actionClip.",
}


def load_official(
    state_dict_or_path: Mapping[str, Any] | str | Path,
    *,
    sim_type: str = "seqTransf",
    temporal_type: str | None = None,
    temporal_proj: str | None = None,
    center_type: str = "TAB",
    center_proj: str | None = None,
    centerK: int | None = None,
    center_weight: float = 0.5,
    max_frames: int = 12,
    max_words: int = 32,
) -> CLIP2Video:
    """The model of an official CLIP2Video checkpoint, float32, eval mode, on the CPU.

    Options are named as upstream; the defaults are the paper's model (upstream's own are plain meanP), less
    what another option makes pointless. Tower sizes, layers and centres are read from the weights. Files are
    read as plain weights, never executed.

    Raises ConfigError naming every key that the variant needs and the weights lack, that no variant has, or
    whose shape differs. Weights of a module that the chosen variant does not use are left out with a warning.
    """
    state = _state_of(state_dict_or_path)
    state = {key: value for key, value in state.items() if key.removeprefix("clip.") not in NOT_WEIGHTS}
    config = ModelConfig.make(
        {
            "clip": clip_shape_of(state),
            **_variant(
                sim_type=sim_type,
                temporal_type=temporal_type,
                temporal_proj=temporal_proj,
                center_type=center_type,
                center_proj=center_proj,
            ),
            "centerK": _centers(state, centerK),
            "center_weight": center_weight,
            "temporal_layers": _layers(state, "transformerClip.") or 4,
            "max_frames": max_frames,
            "max_words": max_words,
        }
    )
    model = CLIP2Video(config)
    _load(model, state)
    return model.eval()


def load_clip(
    state_dict_or_path: Mapping[str, Any] | str | Path, *, quick_gelu: bool = True, **options: Any
) -> CLIP2Video:
    """A model with CLIP ViT weights in its towers, and new modules that start from them.

    The weights have the names of OpenAI, open_clip or Hugging Face's `CLIPModel`, perhaps inside another
    model. `options` are fields of `ModelConfig`. Raises ConfigError as `load_official` does.
    """
    given = "state dict"
    if not isinstance(state_dict_or_path, Mapping):
        given = str(state_dict_or_path)
    state = openai_names(_state_of(state_dict_or_path), given)
    model = CLIP2Video(
        ModelConfig.make({"clip": {**clip_shape_of(state, ""), "quick_gelu": quick_gelu}, **options})
    )
    load_clip_state(model.clip, state, given)
    model.start_from_clip()
    return model.eval()


def _state_of(given: Mapping[str, Any] | str | Path) -> dict[str, Tensor]:
    if not isinstance(given, Mapping):
        return read_state_dict(given)
    arrays = {
        key: torch.from_numpy(np.asarray(value))
        for key, value in given.items()
        if isinstance(value, np.ndarray | np.generic)
    }
    return plain_state_dict({**given, **arrays}, "state dict")


def _variant(**options: str | None) -> dict[str, str]:
    """Return the given options; one that another makes pointless becomes '', because upstream ignores it."""
    given = {name: value for name, value in options.items() if value is not None}
    for name, needed, value in (
        ("temporal_type", "sim_type", "seqTransf"),
        ("temporal_proj", "temporal_type", "TDB"),
        ("center_proj", "center_type", "TAB"),
    ):
        if given.get(needed, value) != value and name in given:
            given[name] = ""
    return given


def clip_shape_of(state: Mapping[str, Tensor], prefix: str = "clip.") -> dict[str, object]:
    """The `ClipShape` (as a mapping) of CLIP weights in OpenAI's naming.

    Raises ConfigError if they are no CLIP ViT.
    """
    try:
        conv = _sides(state, f"{prefix}visual.conv1.weight", 4)
        grid = _sides(state, f"{prefix}visual.positional_embedding", 2)
        width, patch = conv[0], conv[-1]
        (text_width,) = _sides(state, f"{prefix}ln_final.weight", 1)
        return {
            "embed_dim": _sides(state, f"{prefix}text_projection", 2)[1],
            "vision": {
                "width": width,
                "layers": _layers(state, f"{prefix}visual.transformer."),
                "head_width": min(64, width),
                "patch_size": patch,
                "image_size": patch * round((grid[0] - 1) ** 0.5),
            },
            "text": {
                "width": text_width,
                "layers": _layers(state, f"{prefix}transformer."),
                "heads": max(1, text_width // 64),
                "context_length": _sides(state, f"{prefix}positional_embedding", 2)[0],
                "vocab_size": _sides(state, f"{prefix}token_embedding.weight", 2)[0],
            },
            "quick_gelu": True,
        }
    except KeyError as error:
        kind = "CLIP"
        if prefix:
            kind = "CLIP2Video"
        raise ConfigError(
            f"weights: missing key {error.args[0]}; these are not {kind} weights with a ViT"
        ) from None


def _sides(state: Mapping[str, Tensor], name: str, dimensions: int) -> tuple[int, ...]:
    """The shape of a tensor. Raises KeyError, and ConfigError for other dimensions or an empty tensor."""
    shape = tuple(state[name].shape)
    if len(shape) != dimensions or not all(shape):
        raise ConfigError(f"weights: {name} has the shape {list(shape)}, where {dimensions} sides are needed")
    return shape


def _layers(state: Mapping[str, Tensor], prefix: str) -> int:
    start = f"{prefix}resblocks."
    return len({key[len(start) :].partition(".")[0] for key in state if key.startswith(start)})


def _centers(state: Mapping[str, Tensor], asked: int | None) -> int:
    held = None
    if "weight_center" in state:
        held = int(state["weight_center"].shape[0])
    if asked is not None and held is not None and asked != held:
        raise ConfigError(
            f"centerK = {asked}, but weight_center holds {held} centres; leave centerK out or set {held}"
        )
    return held or asked or 5


def official_name(name: str) -> str | None:
    """Our parameter's name in the official code, None if it has none there."""
    for ours, official in OURS_TO_OFFICIAL.items():
        if name.startswith(ours):
            return official + name[len(ours) :]
    return None


@torch.no_grad()
def _load(model: CLIP2Video, state: Mapping[str, Tensor]) -> None:
    wanted = {str(official_name(name)): parameter for name, parameter in model.state_dict().items()}
    missing = sorted(wanted.keys() - state.keys())
    surplus = sorted(state.keys() - wanted.keys())
    known = tuple(prefix for prefix in OURS_TO_OFFICIAL.values() if prefix != "clip.")
    unknown = [key for key in surplus if not key.startswith(known)]
    shapes = [
        f"{key} {list(state[key].shape)} where {list(wanted[key].shape)} is needed"
        for key in sorted(wanted.keys() & state.keys())
        if state[key].shape != wanted[key].shape
    ]
    problems = [
        f"{what}: {', '.join(keys)}"
        for what, keys in (("missing keys", missing), ("unexpected keys", unknown), ("other shapes", shapes))
        if keys
    ]
    if problems:
        raise ConfigError(f"official weights do not fit this variant: {'; '.join(problems)}")
    # Upstream makes trans_layernorm in every variant.
    unused = sorted({key.partition(".")[0] for key in surplus} - {"trans_layernorm"})
    if unused:
        LOG.warning(
            "official weights: left out, because this variant does not use them: %s", ", ".join(unused)
        )
    for key, parameter in wanted.items():
        parameter.copy_(state[key])
