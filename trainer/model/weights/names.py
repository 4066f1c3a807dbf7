"""Names of CLIP's weights: OpenAI's, those of `transformers.CLIPModel`, and prefixes of training scripts.

Names and shapes of the latter follow `transformers` (models/clip/modeling_clip.py). Queries, keys and values
are three layers there. Projections are linear layers, so OpenAI's [width, D] matrices are transposed.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping

import torch
from torch import Tensor

LOG = logging.getLogger(__name__)
OUTSIDE_BLOCKS = {  # OpenAI's name -> (theirs, transposed)
    "logit_scale": ("logit_scale", False),
    "text_projection": ("text_projection.weight", True),
    "visual.proj": ("visual_projection.weight", True),
    "token_embedding.weight": ("text_model.embeddings.token_embedding.weight", False),
    "positional_embedding": ("text_model.embeddings.position_embedding.weight", False),
    "ln_final.weight": ("text_model.final_layer_norm.weight", False),
    "ln_final.bias": ("text_model.final_layer_norm.bias", False),
    "visual.class_embedding": ("vision_model.embeddings.class_embedding", False),
    "visual.conv1.weight": ("vision_model.embeddings.patch_embedding.weight", False),
    "visual.positional_embedding": ("vision_model.embeddings.position_embedding.weight", False),
    "visual.ln_pre.weight": ("vision_model.pre_layrnorm.weight", False),  # their spelling
    "visual.ln_pre.bias": ("vision_model.pre_layrnorm.bias", False),
    "visual.ln_post.weight": ("vision_model.post_layernorm.weight", False),
    "visual.ln_post.bias": ("vision_model.post_layernorm.bias", False),
}
BLOCKS = {"transformer.resblocks.": "text_model.", "visual.transformer.resblocks.": "vision_model."}
IN_BLOCKS = {
    "attn.out_proj": "self_attn.out_proj",
    "ln_1": "layer_norm1",
    "ln_2": "layer_norm2",
    "mlp.c_fc": "mlp.fc1",
    "mlp.c_proj": "mlp.fc2",
}
PACKED = {"attn.in_proj_weight": "weight", "attn.in_proj_bias": "bias"}
_FIRST = ("visual.conv1.weight", OUTSIDE_BLOCKS["visual.conv1.weight"][0])  # a name that every CLIP ViT has
_TEXT = "text."  # before the text tower's names in open_clip's models of two modules
_POSITIONS = "position_ids"  # a buffer of older versions of transformers: 0, 1, 2, ...


def openai_names(state: Mapping[str, Tensor], name: str) -> dict[str, Tensor]:
    """Rename the weights of a CLIP ViT to OpenAI's naming, from open_clip's or Hugging Face's.

    A common prefix of the names is removed. Weights without it are left out, with a warning that
    names them. Weights of another kind are returned unchanged.
    """
    prefix = _prefix(state)
    inside = {key[len(prefix) :]: value for key, value in state.items() if key.startswith(prefix)}
    others = sorted({key.partition(".")[0] for key in state if not key.startswith(prefix)})
    if others:
        LOG.warning("weights %s: the CLIP in %s is taken; left out: %s", name, prefix, ", ".join(others[:9]))
    inside = {key: value for key, value in inside.items() if not key.endswith(_POSITIONS)}
    if _FIRST[1] in inside:
        return _from_huggingface(inside)
    if f"{_TEXT}token_embedding.weight" in inside and f"{_TEXT}text_projection" in inside:
        return {key.removeprefix(_TEXT): value for key, value in inside.items()}
    return inside


def _prefix(state: Mapping[str, Tensor]) -> str:
    """The prefix of the names of the one CLIP in a state dict; "" if it holds none, or several."""
    found = {key[: -len(name)] for key in state for name in _FIRST if key.endswith(name)}
    whole = [prefix for prefix in found if not prefix or prefix.endswith(".")]
    if len(whole) != 1:
        return ""
    return whole[0]


def _from_huggingface(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Rename the weights of `transformers.CLIPModel`; names that it does not have are kept."""
    theirs = {new: (name, transposed) for name, (new, transposed) in OUTSIDE_BLOCKS.items()}
    named: dict[str, Tensor] = {}
    packed: dict[str, dict[str, Tensor]] = {}
    for key, value in state.items():
        if key in theirs:
            name, transposed = theirs[key]
            if transposed:
                value = value.T.contiguous()
            named[name] = value
            continue
        name, part = _in_block(key)
        if part:
            packed.setdefault(name, {})[part] = value
        else:
            named[name] = value
    for name, parts in packed.items():
        if sorted(parts) == ["k", "q", "v"]:
            named[name] = torch.cat([parts[part] for part in "qkv"])
    return named


def _in_block(key: str) -> tuple[str, str]:
    """(OpenAI's name, part q, k, v or none) of a weight in a block; the name itself for any other."""
    inner_of = {theirs: ours for ours, theirs in IN_BLOCKS.items()}
    for ours, tower in BLOCKS.items():
        start = f"{tower}encoder.layers."
        if not key.startswith(start):
            continue
        number, _, inner = key[len(start) :].partition(".")
        module, _, kind = inner.rpartition(".")
        if module in inner_of:
            return f"{ours}{number}.{inner_of[module]}.{kind}", ""
        for part in "qkv":
            if module == f"self_attn.{part}_proj":
                return f"{ours}{number}.attn.in_proj_{kind}", part
    return key, ""


def huggingface_names(name: str, value: Tensor) -> Iterator[tuple[str, Tensor]]:
    """The weights of `transformers.CLIPModel` that one of OpenAI's becomes; none if it has no place there."""
    if name in OUTSIDE_BLOCKS:
        new, transposed = OUTSIDE_BLOCKS[name]
        if transposed:
            yield new, value.T.contiguous()
        else:
            yield new, value.reshape(value.shape)
        return
    for prefix, tower in BLOCKS.items():
        if not name.startswith(prefix):
            continue
        number, _, inner = name[len(prefix) :].partition(".")
        layer = f"{tower}encoder.layers.{number}."
        if inner in PACKED:
            for part, rows in zip("qkv", value.chunk(3), strict=True):
                yield f"{layer}self_attn.{part}_proj.{PACKED[inner]}", rows.contiguous().clone()
            return
        module, _, kind = inner.rpartition(".")
        if module in IN_BLOCKS:
            yield f"{layer}{IN_BLOCKS[module]}.{kind}", value
        return
