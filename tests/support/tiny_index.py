"""A tiny checkpoint, and shards to index."""

from __future__ import annotations

from pathlib import Path

import torch
from safetensors.torch import load_file, save_file
from tiny_run import MODEL

from trainer.model.clip2video import CLIP2Video
from trainer.model.config import ModelConfig
from trainer.model.io import save_model


def checkpoint(folder: Path, *, seed: int = 0, interaction: bool | dict = True, **changes) -> Path:
    torch.manual_seed(seed)
    usual = {"enabled": True, "depth": 1, "top_k": 5}
    module = {"interaction": interaction if isinstance(interaction, dict) else usual} if interaction else {}
    save_model(CLIP2Video(ModelConfig.make({**MODEL, **module, **changes})), folder)
    return folder


def spoil(folder: Path, name: str) -> Path:
    """Make a weight of a checkpoint so large that what the model makes of it is not finite."""
    weights = load_file(folder / "model.safetensors")
    weights[name][:] = 3e38
    save_file(weights, folder / "model.safetensors")
    return folder


def full(*_: object, **__: object) -> None:
    """There is no GPU to fill in a test, so the allocator's error is raised where it would be."""
    raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB.\nmore")
