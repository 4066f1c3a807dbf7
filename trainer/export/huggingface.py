"""Hugging Face's CLIP layout: a folder that `transformers.CLIPModel.from_pretrained` reads."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from torch import Tensor

from schemas.errors import ConfigError
from trainer.export.towers import heads, openai_state, save_weights, unlike_openai
from trainer.export.vocabulary import CLIP_TOKENS, write_tokenizer
from trainer.model.clip2video import CLIP2Video
from trainer.model.towers import text_tower, uses_quick_gelu
from trainer.model.weights.names import huggingface_names

CONFIG, WEIGHTS, PICTURES = "config.json", "model.safetensors", "preprocessor_config.json"


def write_huggingface(model: CLIP2Video, folder: Path) -> str:
    """Write the towers, the picture settings and CLIP's tokenizer into a local folder.

    Returns the line of Python that loads it. Raises ConfigError for towers that the layout cannot hold, with
    the reason.
    """
    state = huggingface_state(model)
    config = huggingface_config(model)
    save_weights(state, folder / WEIGHTS)
    _write_json(folder / PICTURES, _picture_settings(model))
    if config["text_config"]["vocab_size"] == CLIP_TOKENS:
        write_tokenizer(folder, config["text_config"]["max_position_embeddings"])
    _write_json(folder / CONFIG, config)
    return "transformers.CLIPModel.from_pretrained('{output}')"


def huggingface_state(model: CLIP2Video) -> dict[str, Tensor]:
    """The towers' weights under the names of `transformers.CLIPModel`. Raises ConfigError."""
    problems = unlike_openai(model.clip)
    state: dict[str, Tensor] = {}
    for name, value in openai_state(model).items():
        renamed = dict(huggingface_names(name, value))
        if not renamed:
            problems.append(f"it has no place for {name}")
        state.update(renamed)
    if problems:
        more = ""
        if len(problems) > 1:
            more = f" (and {len(problems) - 1} more)"
        raise ConfigError(
            f"clip = {model.config.clip!r} does not fit Hugging Face's CLIP layout: {problems[0]}{more}; "
            "export to open_clip instead"
        )
    return state


def huggingface_config(model: CLIP2Video) -> dict[str, Any]:
    """The values of `transformers.CLIPConfig` for these towers."""
    visual, text = model.clip.visual, text_tower(model.clip)
    activation = "gelu"
    if uses_quick_gelu(model.clip):
        activation = "quick_gelu"
    tokens, width = text.token_embedding.weight.shape
    vision_width = int(visual.class_embedding.shape[0])
    return {
        "architectures": ["CLIPModel"],
        "model_type": "clip",
        "torch_dtype": "float32",
        "projection_dim": model.width,
        "logit_scale_init_value": model.clip.logit_scale.item(),
        "text_config": {
            "model_type": "clip_text_model",
            "hidden_size": int(width),
            "intermediate_size": int(text.transformer.resblocks[0].mlp.c_fc.out_features),
            "num_hidden_layers": len(text.transformer.resblocks),
            "num_attention_heads": heads(text.transformer),
            "max_position_embeddings": len(text.positional_embedding),
            "vocab_size": int(tokens),
            "hidden_act": activation,
            "layer_norm_eps": text.ln_final.eps,
            "projection_dim": model.width,
            "bos_token_id": int(tokens) - 2,  # the last two ids, as in OpenAI's vocabulary
            "eos_token_id": int(tokens) - 1,
        },
        "vision_config": {
            "model_type": "clip_vision_model",
            "hidden_size": vision_width,
            "intermediate_size": int(visual.transformer.resblocks[0].mlp.c_fc.out_features),
            "num_hidden_layers": len(visual.transformer.resblocks),
            "num_attention_heads": heads(visual.transformer),
            "image_size": model.image_size,
            "patch_size": int(visual.patch_size[0]),
            "hidden_act": activation,
            "layer_norm_eps": visual.ln_post.eps,
            "projection_dim": model.width,
        },
    }


def _picture_settings(model: CLIP2Video) -> dict[str, Any]:
    mean, std = model.normalisation
    side = model.image_size
    return {
        "image_processor_type": "CLIPImageProcessor",
        "do_convert_rgb": True,
        "do_resize": True,
        "size": {"shortest_edge": side},
        "resample": 3,  # PIL's number of bicubic
        "do_center_crop": True,
        "crop_size": {"height": side, "width": side},
        "do_rescale": True,
        "rescale_factor": 1 / 255,
        "do_normalize": True,
        "image_mean": list(mean),
        "image_std": list(std),
    }


def _write_json(file: Path, values: dict[str, Any]) -> None:
    file.write_text(json.dumps(values, indent=2) + "\n")
