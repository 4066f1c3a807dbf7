"""The model that every arm of a seed starts from: trained towers, and new modules.

python -m lab.start CONFIG OUTPUT
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path

import torch

from schemas.yaml_text import read_yaml
from trainer.model.clip2video import build_model
from trainer.model.config import ModelConfig
from trainer.model.io import load_model, save_model


def main(argv: list[str] | None = None) -> int:
    """Write the checkpoint folder OUTPUT from a config with `model`, `towers` and `seed`.

    `towers` is a checkpoint folder of the stage before, or a file of CLIP weights.
    """
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("config", type=Path)
    parser.add_argument("output", type=Path)
    arguments = parser.parse_args(argv)
    config = read_yaml(arguments.config.read_text())
    towers = Path(config["towers"])
    torch.manual_seed(config["seed"])
    if towers.is_file():
        save_model(
            build_model(ModelConfig.make({**config["model"], "pretrained": str(towers)})), arguments.output
        )
        return 0
    from safetensors.torch import save_file

    with tempfile.TemporaryDirectory() as folder:
        weights = Path(folder) / "towers.safetensors"
        state = load_model(towers.resolve()).clip.state_dict()
        save_file({name: value.contiguous() for name, value in state.items()}, weights)
        model = build_model(ModelConfig.make({**config["model"], "pretrained": str(weights)}))
    save_model(model, arguments.output)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
