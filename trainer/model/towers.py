"""The CLIP towers, from open_clip: frames to embeddings, captions to tokens, tokens to embeddings."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple, TypeAlias

import open_clip
import torch
from open_clip import pretrained as open_clip_pretrained
from open_clip.model import (
    CLIP,
    CustomTextCLIP,
)
from open_clip.transformer import VisionTransformer, text_global_pool
from torch import Tensor, nn

from schemas.errors import ConfigError
from schemas.text import nearest
from trainer.model.config import ModelConfig
from trainer.model.lean import is_causal, lighten
from trainer.model.size import check_memory

Clip: TypeAlias = CLIP | CustomTextCLIP


class Tokens(NamedTuple):
    """Captions as CLIP's BPE tokens."""

    ids_NL: Tensor  # int64: start, words, end, then 0 (which is also the id of "!")
    mask_NL: Tensor  # int64: 1 from start to end, 0 after it


class TextHidden(NamedTuple):
    """The output of the text tower for N captions, not normalised."""

    pooled_ND: Tensor  # the end token's embedding
    hidden_NLD: Tensor  # every token's, projected alike


def tokenize(captions: Sequence[str], max_words: int = 32) -> Tokens:
    """Captions -> `Tokens` of length `max_words`; longer ones are cut and keep their end token."""
    ids_NL = open_clip.tokenizer.tokenize(list(captions), context_length=max_words)
    place = torch.arange(max_words)
    is_end_NL = ids_NL == open_clip.tokenizer._tokenizer.eot_token_id
    end_N = (is_end_NL * place).amax(-1)  # the last: a caption may spell one
    return Tokens(ids_NL, (place <= end_N[:, None]).long())


def build_clip(config: ModelConfig) -> Clip:
    """Build open_clip's model with random weights and leaner layers.

    Raises ConfigError for an unknown name and for towers that cannot serve.
    """
    check_memory(config, tower_settings(config))
    clip = _open_clip_model(config)
    lighten(clip, text_tower(clip))
    return clip


def tower_settings(config: ModelConfig) -> dict[str, Any]:
    """Return open_clip's settings of the towers. Raises ConfigError for an unknown name."""
    shape = config.clip_shape
    if shape is None:
        return _named_settings(str(config.clip), config.tokenizer)
    return {
        "embed_dim": shape.embed_dim,
        "vision_cfg": shape.vision.to_dict(),
        "text_cfg": shape.text.to_dict(),
        "quick_gelu": shape.quick_gelu,
    }


def _open_clip_model(config: ModelConfig) -> Clip:
    settings = tower_settings(config)
    if config.clip_shape is not None:
        return CLIP(**settings)
    if settings.pop("custom_text", False):
        kind = CustomTextCLIP
    else:
        kind = CLIP
    clip: Clip = kind(**settings)
    if any(isinstance(module, nn.modules.batchnorm._BatchNorm) for module in clip.modules()):
        raise ConfigError(
            f"clip = {config.clip!r} has batch norm, which mixes the videos of a batch; choose a ViT such as "
            "ViT-B-16-quickgelu"
        )
    return clip


def text_settings(config: ModelConfig) -> dict[str, Any] | None:
    """Return open_clip's settings of a text tower that needs a tokenizer file; None for CLIP's vocabulary."""
    if not isinstance(config.clip, str):
        return None
    text: dict[str, Any] = _named_settings(config.clip, config.tokenizer).get("text_cfg", {})
    if not text.get("hf_tokenizer_name"):
        return None
    return text


def _named_settings(name: str, tokenizer: str | None) -> dict[str, Any]:
    settings: dict[str, Any] | None = None
    if ":" not in name:  # open_clip downloads hf-hub:..., and a checkpoint of others may say that
        settings = open_clip.get_model_config(name)
    if settings is None:
        near = nearest(name, open_clip.list_models(), count=3, cutoff=0.4)
        raise ConfigError(f"clip = {name!r} is no open_clip model; the nearest: {', '.join(near) or 'none'}")
    text = settings.get("text_cfg", {})
    vocabulary = text.get("hf_tokenizer_name")
    if vocabulary and tokenizer is None and not text.get("hf_model_name"):
        raise ConfigError(
            f"clip = {name!r} reads captions with the tokenizer {vocabulary}, whose files open_clip does not "
            "carry; give a folder with its tokenizer.json as model.tokenizer, or choose a tower with CLIP's "
            "own vocabulary, such as ViT-B-16-quickgelu or EVA02-B-16"
        )
    other_text = text.get("hf_model_name") or text.get("embed_cls") or text.get("use_pad_mask")
    pools = ("argmax", "eos")
    if vocabulary:
        pools = ("last", "eos")
    if "multimodal_cfg" in settings or other_text or text.get("pool_type", "argmax") not in pools:
        raise ConfigError(
            f"clip = {name!r} has no CLIP text tower; choose a CLIP ViT such as ViT-B-32-quickgelu"
        )
    left_out = {"preprocess_cfg", "tokenizer_cfg"}
    if vocabulary:
        left_out.add("init_logit_bias")  # SigLIP's bias; a model that needs one has its own
    return {key: value for key, value in settings.items() if key not in left_out}


def reading(config: ModelConfig) -> dict[str, Any]:
    """The settings that decide what the towers compute and that no name or shape of a weight shows."""
    shape = config.clip_shape
    about: dict[str, Any]
    if shape is not None:
        about = {
            "quick_gelu": shape.quick_gelu,
            "heads": (shape.vision.width // shape.vision.head_width, shape.text.heads),
        }
    else:
        named = _named_settings(str(config.clip), config.tokenizer)
        vision = named["vision_cfg"]
        heads = None
        if "width" in vision:
            heads = vision["width"] // vision.get("head_width", 64)
        about = {
            "quick_gelu": named.get("quick_gelu", False),
            "heads": (heads, named["text_cfg"].get("heads")),
        }
    return {**about, "mean and std": normalisation(config)}


def uses_quick_gelu(clip: Clip) -> bool:
    """Whether the text blocks activate with QuickGELU."""
    return isinstance(text_tower(clip).transformer.resblocks[0].mlp.gelu, open_clip.transformer.QuickGELU)


def text_tower(clip: Clip) -> Any:
    """Where the text modules live: the model itself, or its `text`."""
    return getattr(clip, "text", clip)


def embed_dim(clip: Clip) -> int:
    """D, the width of both towers' outputs."""
    projection = text_tower(clip).text_projection
    if projection is None:
        return int(text_tower(clip).ln_final.weight.shape[0])
    if isinstance(projection, nn.Linear):
        return projection.out_features
    return int(projection.shape[1])


def encode_frames(clip: Clip, frames_B3HW: Tensor, patches_BK: Tensor | None = None) -> Tensor:
    """Normalised frames [B,3,H,W] -> embeddings [B,D], not normalised.

    With `patches_BK` int64 the tower sees K patches of each frame, numbered row by row.
    """
    if patches_BK is not None:
        return _encode_patches(clip.visual, frames_B3HW, patches_BK)
    embeddings: Tensor = clip.visual(frames_B3HW)
    return embeddings


def count_patches(clip: Clip) -> int:
    """Return the patches of a frame. Raises ConfigError for towers other than a vision transformer."""
    if not isinstance(clip.visual, VisionTransformer):
        raise ConfigError(
            f"model.patch_dropout needs a vision transformer, and this is a {type(clip.visual).__name__}; "
            "choose a ViT such as ViT-B-32-quickgelu, or set it to 0"
        )
    return len(clip.visual.positional_embedding) - 1


def _encode_patches(visual: VisionTransformer, frames_B3HW: Tensor, patches_BK: Tensor) -> Tensor:
    """Do as `VisionTransformer.forward` with some patches; their positions are those in the whole frame."""
    x_BPW = visual.conv1(frames_B3HW).flatten(2).transpose(1, 2)
    frames, patches, width = x_BPW.shape
    positions = visual.positional_embedding.to(x_BPW.dtype)
    x_BPW = x_BPW + positions[1:]
    first_B1 = torch.arange(frames, device=patches_BK.device)[:, None] * patches
    kept_BKW = x_BPW.flatten(0, 1).index_select(0, (first_B1 + patches_BK).flatten()).view(frames, -1, width)
    class_token = (visual.class_embedding.to(x_BPW.dtype) + positions[0]).expand(frames, 1, width)
    x = visual.transformer(visual.ln_pre(torch.cat([class_token, kept_BKW], dim=1)))
    pooled: Tensor = visual._pool(x)[0]
    if visual.proj is None:
        return pooled
    return pooled @ visual.proj


def encode_tokens(clip: Clip, ids_NL: Tensor) -> TextHidden:
    """Token ids [N,L] -> `TextHidden`.

    The causal mask is CLIP's. Padding follows the end token, so it does not influence it.
    """
    tower = text_tower(clip)
    length = ids_NL.shape[1]
    if length > len(tower.positional_embedding):
        raise ValueError(
            f"{length} tokens, but the text tower has {len(tower.positional_embedding)} positions; cut the "
            "captions"
        )
    x = tower.token_embedding(ids_NL) + tower.positional_embedding[:length]
    mask = None
    if tower.attn_mask is not None and not is_causal(tower):
        mask = tower.attn_mask[:length, :length]
    x = tower.ln_final(tower.transformer(x, attn_mask=mask))
    projection = tower.text_projection
    if projection is not None:
        if isinstance(projection, nn.Linear):
            x = projection(x)
        else:
            x = x @ projection
    if isinstance(clip, CLIP):
        kind, end = clip.text_pool_type, clip.text_eos_id
    else:
        kind, end = tower.pool_type, tower.eos_id
    return TextHidden(text_global_pool(x, ids_NL, kind, eos_token_id=end), x)


def normalisation(config: ModelConfig) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Mean and deviation (RGB, of values in [0,1]) that the towers' pictures are normalised with."""
    settings: dict[str, Any] = {}
    if isinstance(config.clip, str) and config.pretrained is not None:
        settings = open_clip_pretrained.get_pretrained_cfg(config.clip, config.pretrained) or {}
    if not settings and config.tokenizer is not None:
        settings = _usual_settings(str(config.clip))
    mean = settings.get("mean") or open_clip.OPENAI_DATASET_MEAN
    std = settings.get("std") or open_clip.OPENAI_DATASET_STD
    return tuple(mean), tuple(std)


def _usual_settings(name: str) -> dict[str, Any]:
    """Return the mean and deviation that all published weights of these towers have in common, if they do."""
    found: list[dict[str, Any]] = []
    for tag in open_clip_pretrained.list_pretrained_tags_by_model(name):
        about = open_clip_pretrained.get_pretrained_cfg(name, tag) or {}
        pair = {"mean": about.get("mean"), "std": about.get("std")}
        if pair not in found:
            found.append(pair)
    if len(found) == 1:
        return found[0]
    return {}
