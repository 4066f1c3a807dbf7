"""open_clip's layout: ``open_clip_config.json`` and ``open_clip_model.safetensors`` in a folder.

`open_clip.create_model_and_transforms("local-dir:FOLDER")` reads it, as open_clip 3 documents, and
`open_clip.get_tokenizer("local-dir:FOLDER")` finds the tokenizer.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import open_clip

from trainer.export.towers import save_weights, tower_state
from trainer.model.clip2video import CLIP2Video
from trainer.model.config import ModelConfig

CONFIG, WEIGHTS = "open_clip_config.json", "open_clip_model.safetensors"


def write_open_clip(model: CLIP2Video, folder: Path) -> str:
    """Write the towers into a local folder; returns the line of Python that loads it."""
    mean, std = model.normalisation
    about = {
        "model_cfg": model_settings(model.config),
        "preprocess_cfg": {"mean": list(mean), "std": list(std)},
    }
    save_weights(tower_state(model), folder / WEIGHTS)
    (folder / CONFIG).write_text(json.dumps(about, indent=2) + "\n")
    return "open_clip.create_model_and_transforms('local-dir:{output}')"


def model_settings(config: ModelConfig) -> dict[str, Any]:
    """open_clip's own settings of these towers."""
    shape = config.clip_shape
    if shape is not None:
        return {
            "embed_dim": shape.embed_dim,
            "quick_gelu": shape.quick_gelu,
            "vision_cfg": shape.vision.to_dict(),
            "text_cfg": shape.text.to_dict(),
        }
    settings: dict[str, Any] = open_clip.get_model_config(str(config.clip))
    return settings
