"""A model as a folder: ``model.safetensors`` and ``config.json`` (its key ``model`` is the `ModelConfig`).

Towers without CLIP's vocabulary have a ``tokenizer.json`` too.

In an object store config.json is uploaded last. A folder without it is incomplete, and is not read.
"""

from __future__ import annotations

import json
import os
from math import prod
from pathlib import Path
from typing import Any

from torch import Tensor

from schemas.errors import ConfigError
from schemas.json_text import JsonError, read_json
from schemas.text import one_line
from storage.local import local_copy
from storage.read import exists, kind, open_uri
from storage.uris import is_remote, join
from storage.write import written_folder
from trainer.model.clip2video import CLIP2Video
from trainer.model.config import ModelConfig
from trainer.model.size import least_parameters
from trainer.model.tokenizer import TOKENIZER_FILE, FileTokenizer
from trainer.model.towers import tower_settings
from trainer.model.weights.files import write_tensors

WEIGHTS_FILE, CONFIG_FILE = "model.safetensors", "config.json"
# Of a run with averaged weights: model.safetensors has the averages, and this file the trained weights.
TRAINED_FILE, TRAINED = "state/tensors.safetensors", "trained."


def save_model(model: CLIP2Video, directory: str | Path, extra: dict[str, Any] | None = None) -> None:
    """Write the folder; each file appears whole or not at all.

    `extra` is added to config.json.
    """
    if is_remote(str(directory)):
        with written_folder(str(directory), last=CONFIG_FILE) as folder:
            save_model(model, folder, extra)
        return
    folder = Path(directory)
    folder.mkdir(parents=True, exist_ok=True)
    tensors = {key: value.detach().cpu().contiguous() for key, value in model.state_dict().items()}
    partial = folder / f".{WEIGHTS_FILE}.{os.getpid()}"
    write_tensors(tensors, partial)
    os.replace(partial, folder / WEIGHTS_FILE)
    config = model.config.to_dict()
    if isinstance(model.tokenize, FileTokenizer):
        _write_text(folder / TOKENIZER_FILE, model.tokenize.text)
        config["tokenizer"] = TOKENIZER_FILE  # the copy: a checkpoint may move to another machine
    _write_text(folder / CONFIG_FILE, json.dumps({**(extra or {}), "model": config}, indent=2) + "\n")


def _write_text(file: Path, text: str) -> None:
    partial = file.with_name(f".{file.name}.{os.getpid()}")
    partial.write_text(text)
    os.replace(partial, file)


def follow(directory: str | Path) -> str:
    """The folder behind ``gs://bucket/run/last``.

    A local link is, in an object store, an object that holds a name.
    """
    uri = str(directory).rstrip("/")
    if not is_remote(uri) or kind(uri) != "file":
        return uri
    with open_uri(uri) as stream:
        return join(uri.rpartition("/")[0], stream.read(256).decode(errors="replace").strip())


def read_config(directory: str | Path) -> ModelConfig:
    """The `ModelConfig` of a saved model. Raises ConfigError naming the folder."""
    folder = follow(directory)
    try:
        with open_uri(join(folder, CONFIG_FILE)) as stream:
            config = ModelConfig.make(read_json(stream.read())["model"])
    except FileNotFoundError as error:
        message = f"checkpoint {directory}: {CONFIG_FILE} cannot be read: {error}"
        raise ConfigError(f"{message}{_checkpoint_hint(folder)}") from None
    except (OSError, KeyError, TypeError, JsonError) as error:
        raise ConfigError(f"checkpoint {directory}: {CONFIG_FILE} cannot be read: {error}") from None
    if config.tokenizer is None:
        return config
    if config.tokenizer != TOKENIZER_FILE:  # an address would be asked for it
        raise ConfigError(
            f"checkpoint {directory}: {CONFIG_FILE}: tokenizer = {config.tokenizer[:80]!r} is not the "
            f"checkpoint's own {TOKENIZER_FILE}"
        )
    return config.model_copy(update={"tokenizer": join(folder, TOKENIZER_FILE)})


def _checkpoint_hint(folder: str) -> str:
    """Name the checkpoints of a run, for a folder that is a run, or one that the run lacks."""
    if names := _checkpoints_in(folder):
        return f"; the folder is a run, give its checkpoint: {' or '.join(names)}"
    if names := _checkpoints_in(folder.rpartition("/")[0] or "."):
        return f"; the run has {' and '.join(names)}"  # there is no best without something to evaluate on
    return "; check the path"


def _checkpoints_in(run: str) -> list[str]:
    return [join(run, name) for name in ("best", "last") if exists(join(run, name))]


def model_files(directory: str | Path) -> tuple[str, ...]:
    """Return the names of the files that a saved model consists of. Raises ConfigError."""
    if read_config(directory).tokenizer is None:
        return WEIGHTS_FILE, CONFIG_FILE
    return WEIGHTS_FILE, TOKENIZER_FILE, CONFIG_FILE


def load_model(directory: str | Path, *, trained: bool = False) -> CLIP2Video:
    """A saved model on the CPU, in eval mode.

    `trained`: with the weights as trained, of a checkpoint that has their averages as well. Runs no code of
    the file and downloads nothing. Raises ConfigError.
    """
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    config = read_config(directory)
    try:
        with local_copy(join(follow(directory), WEIGHTS_FILE)) as file:
            _check_holds(file, config, directory)
            model = CLIP2Video(config)
            model.load_state_dict(load_file(file))
    except (OSError, SafetensorError, RuntimeError) as error:
        raise ConfigError(
            f"checkpoint {directory}: {WEIGHTS_FILE} cannot be loaded: {one_line(error, 400)}"
        ) from None
    if trained:
        model.load_state_dict(_trained_weights(directory), strict=False)
    _check_finite(model, directory)
    return model.eval()


def _check_finite(model: CLIP2Video, directory: str | Path) -> None:
    """Raise ConfigError for weights that make every similarity NaN: ranks would be without meaning."""
    for name, weight in model.named_parameters():
        if not weight.isfinite().all():
            raise ConfigError(
                f"checkpoint {directory}: its weight {name} has values that are not finite; give an earlier "
                "checkpoint, or fetch it again"
            )


def _check_holds(file: Path, config: ModelConfig, directory: str | Path) -> None:
    """Raise ConfigError if the file is too small for the model, which could take all memory itself."""
    from safetensors import safe_open

    with safe_open(file, framework="pt") as tensors:
        names = list(tensors.keys())
        held = sum(prod(tensors.get_slice(name).get_shape()) for name in names)
    needed = least_parameters(config, tower_settings(config))
    if held < needed:
        raise ConfigError(
            f"checkpoint {directory}: {WEIGHTS_FILE} holds {held} numbers, and the model of its "
            f"{CONFIG_FILE} has at least {needed}; they do not belong together"
        )


def _trained_weights(directory: str | Path) -> dict[str, Tensor]:
    from safetensors import SafetensorError, safe_open

    try:
        with (
            local_copy(join(follow(directory), TRAINED_FILE)) as file,
            safe_open(file, framework="pt") as tensors,
        ):
            names = [name for name in tensors.keys() if name.startswith(TRAINED)]  # noqa: SIM118 - no mapping
            weights = {name.removeprefix(TRAINED): tensors.get_tensor(name) for name in names}
    except (OSError, SafetensorError) as error:
        raise ConfigError(
            f"checkpoint {directory}: {TRAINED_FILE} cannot be read: {one_line(error)}"
        ) from None
    if not weights:
        raise ConfigError(
            f"checkpoint {directory} was trained without optim.ema: its only weights are those trained"
        )
    return weights
