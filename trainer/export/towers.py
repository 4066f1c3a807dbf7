"""The CLIP towers of a model in OpenAI's naming, and what decides how they compute."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from open_clip.model import CLIP
from torch import Tensor, nn

from trainer.model.clip2video import CLIP2Video
from trainer.model.towers import Clip, text_tower
from trainer.model.weights.files import write_tensors

TEXT_NAMES = ("transformer.", "token_embedding.", "ln_final.", "positional_embedding", "text_projection")


def tower_state(model: CLIP2Video) -> dict[str, Tensor]:
    """Name -> tensor of both towers and logit_scale, on the CPU, named as in `model.clip`."""
    return {name: value.detach().cpu().contiguous() for name, value in model.clip.state_dict().items()}


def openai_state(model: CLIP2Video) -> dict[str, Tensor]:
    """`tower_state` in OpenAI's naming: the text tower's names have no prefix, its projection is [width, D].

    open_clip keeps some text towers in a module of their own, under ``text.``.
    """
    state = tower_state(model)
    if isinstance(model.clip, CLIP):
        return state
    named: dict[str, Tensor] = {}
    for name, value in state.items():
        inner = name.removeprefix("text.")
        if inner == "text_projection.weight":  # a linear layer keeps the transpose
            named["text_projection"] = value.T.contiguous()
        else:
            named[inner if inner.startswith(TEXT_NAMES) else name] = value
    return named


def unlike_openai(clip: Clip) -> list[str]:
    """How the towers compute differently from OpenAI's CLIP, where no name or shape of a weight shows it."""
    visual, text = clip.visual, text_tower(clip)
    if isinstance(clip, CLIP):
        pool = clip.text_pool_type
    else:
        pool = text.pool_type
    differences = {
        "the picture is not the class token's embedding": getattr(visual, "pool_type", None) != "tok",
        "the last vision norm follows the pooling": bool(getattr(visual, "final_ln_after_pool", False)),
        "the vision tower has no first norm": isinstance(getattr(visual, "ln_pre", None), nn.Identity),
        "the text attention is not causal": getattr(text, "attn_mask", None) is None,
        f"the text is pooled by {pool}": pool not in ("argmax", "eos"),
    }
    return [difference for difference, found in differences.items() if found]


def heads(transformer: Any) -> int:
    """Attention heads of a tower's blocks."""
    return int(transformer.resblocks[0].attn.num_heads)


def save_weights(state: dict[str, Tensor], file: Path) -> None:
    """Write a local .safetensors file that others may read as they may any new file."""
    file.touch()
    mode = file.stat().st_mode  # safetensors makes files that their owner alone can read
    write_tensors(state, file, {"format": "pt"})  # transformers refuses a file without the format
    file.chmod(mode)
