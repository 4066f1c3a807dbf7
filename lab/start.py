"""The model that every arm of a seed starts from: trained towers, and new modules.

    python -m lab.start CONFIG

CONFIG is a YAML file with model, towers, seed and output. `towers` is a checkpoint folder of the stage
before, or a file of CLIP weights.
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

import torch

from schemas.yaml_text import read_yaml
from trainer.model.clip2video import build_model
from trainer.model.config import ModelConfig
from trainer.model.io import load_model, save_model


def main(argv: Sequence[str]) -> int:
    """Write the checkpoint folder `output`."""
    (file,) = argv
    config = read_yaml(Path(file).read_text(encoding="utf-8"))
    output, towers = config["output"], Path(config["towers"])
    torch.manual_seed(config["seed"])
    if towers.is_file():
        save_model(build_model(ModelConfig.make({**config["model"], "pretrained": str(towers)})), output)
        return 0
    from safetensors.torch import save_file

    with tempfile.TemporaryDirectory() as folder:
        weights = Path(folder) / "towers.safetensors"
        state = load_model(towers.resolve()).clip.state_dict()
        save_file({name: value.contiguous() for name, value in state.items()}, weights)
        model = build_model(ModelConfig.make({**config["model"], "pretrained": str(weights)}))
    save_model(model, output)
    return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
