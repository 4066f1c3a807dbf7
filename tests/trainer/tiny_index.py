"""A tiny checkpoint, and shards to index."""

from __future__ import annotations

from pathlib import Path

import torch
from tiny_run import MODEL

from trainer.model.clip2video import CLIP2Video
from trainer.model.config import ModelConfig
from trainer.model.io import save_model


def checkpoint(folder: Path, *, seed: int = 0, interaction: bool = True, **changes) -> Path:
    torch.manual_seed(seed)
    module = {"interaction": {"enabled": True, "depth": 1, "top_k": 5}} if interaction else {}
    save_model(CLIP2Video(ModelConfig.make({**MODEL, **module, **changes})), folder)
    return folder
