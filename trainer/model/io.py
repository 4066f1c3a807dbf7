"""A model as a folder: ``model.safetensors`` and ``config.json`` (whose key ``model`` is the `ModelConfig`)."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

from schemas.config import ConfigError
from trainer.model.clip2video import CLIP2Video
from trainer.model.config import ModelConfig

WEIGHTS_FILE, CONFIG_FILE = "model.safetensors", "config.json"


def save_model(model: CLIP2Video, directory: str | Path, extra: dict[str, Any] | None = None) -> None:
    """Write the folder; each file appears whole or not at all. `extra` goes beside ``model`` into config.json."""
    from safetensors.torch import save_file

    folder = Path(directory)
    folder.mkdir(parents=True, exist_ok=True)
    tensors = {key: value.detach().cpu().contiguous() for key, value in model.state_dict().items()}
    partial = folder / f".{WEIGHTS_FILE}.{os.getpid()}"
    save_file(tensors, partial)
    os.replace(partial, folder / WEIGHTS_FILE)
    partial = folder / f".{CONFIG_FILE}.{os.getpid()}"
    partial.write_text(json.dumps({**(extra or {}), "model": model.config.to_dict()}, indent=2) + "\n")
    os.replace(partial, folder / CONFIG_FILE)


def read_config(directory: str | Path) -> ModelConfig:
    """The `ModelConfig` of a saved model. Raises ConfigError naming the folder."""
    file = Path(directory) / CONFIG_FILE
    try:
        return ModelConfig.make(json.loads(file.read_text())["model"])
    except (OSError, KeyError, TypeError, json.JSONDecodeError) as error:
        raise ConfigError(f"checkpoint {directory}: {CONFIG_FILE} cannot be read: {error}") from None


def load_model(directory: str | Path) -> CLIP2Video:
    """A saved model on the CPU, in eval mode. Runs no code of the file and downloads nothing. Raises ConfigError."""
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    model = CLIP2Video(read_config(directory))
    try:
        model.load_state_dict(load_file(Path(directory) / WEIGHTS_FILE))
    except (OSError, SafetensorError, RuntimeError) as error:
        raise ConfigError(
            f"checkpoint {directory}: {WEIGHTS_FILE} cannot be loaded: {' '.join(str(error).split())[:400]}"
        ) from None
    return model.eval()
