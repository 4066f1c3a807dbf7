"""Conversion: official CLIP2Video weights, or plain CLIP weights, to a checkpoint folder of ours."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from schemas.errors import ConfigError
from storage.read import exists
from storage.uris import join
from trainer.model.clip2video import CLIP2Video
from trainer.model.io import WEIGHTS_FILE, save_model
from trainer.model.weights.official import load_clip, load_official


def convert(
    kind: str, file: str | Path, output: str | Path, options: Mapping[str, Any] | None = None
) -> CLIP2Video:
    """Read `file` (kind ``official`` or ``clip``), write the folder `output`, return the model.

    `options` are the variant's, named as upstream; for ``clip`` also ``quick_gelu`` (bool). Raises
    ConfigError if the file cannot be read as weights, does not fit the variant, or `output` holds a model
    already.
    """
    if exists(join(str(output), WEIGHTS_FILE)):
        raise ConfigError(f"output {output} holds a model already; give another folder or remove it")
    loaders = {"official": load_official, "clip": load_clip}
    if kind not in loaders:
        raise ConfigError(f"convert {kind!r} is not known; it must be one of {', '.join(loaders)}")
    model = loaders[kind](file, **dict(options or {}))
    save_model(model, output, {"converted_from": Path(file).name})
    return model
