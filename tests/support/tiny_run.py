"""The smallest training run: towers of two layers, 32-pixel frames."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from trainer.fit.config import TrainConfig

MODEL: dict[str, Any] = {
    "clip": {
        "embed_dim": 32,
        "vision": {"width": 32, "layers": 2, "head_width": 16, "patch_size": 16, "image_size": 32},
        "text": {"width": 32, "layers": 2, "heads": 2},
    },
    "max_frames": 4,
    "max_words": 16,
    "temporal_layers": 1,
}


def tiny_values(shards: Path, output: Path, **changes: Any) -> dict[str, Any]:
    """Values of a TrainConfig; `changes` are top-level fields, mappings are merged into theirs."""
    values: dict[str, Any] = {
        "output": str(output),
        "data": {"shards": str(shards), "workers": 0, "shuffle_samples": 8},
        "model": dict(MODEL),
        "optim": {"lr_clip": 1e-3, "lr_new": 1e-3, "weight_decay": 0.05},
        "log": {"every": 1, "tensorboard": False},
        "evaluate": {"before": False},
        "global_batch_size": 8,
        "max_steps": 6,
        "device": "cpu",
        "precision": "fp32",
    }
    for name, change in changes.items():
        values[name] = {**values[name], **change} if isinstance(change, dict) and name in values else change
    return values


def tiny_config(shards: Path, output: Path, **changes: Any) -> TrainConfig:
    return TrainConfig.make(tiny_values(shards, output, **changes))
