"""`zoetrope convert`: official CLIP2Video weights, or plain CLIP weights, to a checkpoint folder of ours."""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_args

from schemas.errors import ConfigError
from storage.read import exists
from storage.uris import join

if TYPE_CHECKING:
    from trainer.model.clip2video import CLIP2Video

EPILOG = """examples:
  zoetrope convert official CLIP2Video_MSRVTT9k/pytorch_model.bin.2 -o checkpoints/msrvtt
  zoetrope convert clip ViT-B-32.pt -o checkpoints/clip

The folder holds model.safetensors and config.json; `zoetrope train init=DIR`, `evaluate checkpoint=DIR` and `index DIR`
take it. Files are read as plain weights: nothing in them is executed. Give the options that the weights were trained with;
those left out are the paper's model (or what another option leaves possible)."""


def convert(
    kind: str, file: str | Path, output: str | Path, options: Mapping[str, Any] | None = None
) -> CLIP2Video:
    """Read `file` (kind ``official`` or ``clip``), write the folder `output`, return the model.

    `options` are the variant's, named as upstream; for ``clip`` also ``quick_gelu`` (bool). Raises ConfigError if the file
    cannot be read as weights, does not fit the variant, or `output` holds a model already.
    """
    from trainer.model.io import WEIGHTS_FILE, save_model
    from trainer.model.official import load_clip, load_official

    if exists(join(str(output), WEIGHTS_FILE)):
        raise ConfigError(f"output {output} holds a model already; give another folder or remove it")
    loaders = {"official": load_official, "clip": load_clip}
    if kind not in loaders:
        raise ConfigError(f"convert {kind!r} is not known; it must be one of {', '.join(loaders)}")
    model = loaders[kind](file, **dict(options or {}))
    save_model(model, output, {"converted_from": Path(file).name})
    return model


def main(argv: list[str] | None = None) -> int:
    """The command. Returns 0; usage errors leave through argparse (2), weights that do not fit as ConfigError."""
    args = vars(_parser().parse_args(argv))
    kind, file, output = args.pop("kind"), args.pop("file"), args.pop("output")
    model = convert(kind, file, output, {key: value for key, value in args.items() if value is not None})
    config = model.config
    parts = [
        part
        for part in (config.sim_type, config.temporal_type, config.temporal_proj, config.center_proj)
        if part
    ]
    count = sum(parameter.numel() for parameter in model.parameters())
    print(
        f"{output}: {' '.join(parts)}, D {model.width}, {model.image_size} px, {count / 1e6:.1f} M parameters"
    )
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="zoetrope convert",
        description=__doc__,
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    kinds = parser.add_subparsers(dest="kind", required=True, metavar="{official,clip}")
    official = kinds.add_parser("official", help="a CLIP2Video state dict (pytorch_model.bin.N)")
    clip = kinds.add_parser("clip", help="CLIP ViT weights: OpenAI's .pt, or open_clip's .pt or .safetensors")
    for each in (official, clip):
        each.add_argument("file", metavar="FILE", help="the weights")
        each.add_argument(
            "-o", "--output", metavar="DIR", required=True, help="the checkpoint folder to make"
        )
        _add_options(each)
    clip.add_argument(
        "--exact-gelu",
        dest="quick_gelu",
        action="store_false",
        default=None,
        help="the weights were trained with exact GELU (open_clip's names without -quickgelu); default: QuickGELU",
    )
    return parser


def _add_options(parser: argparse.ArgumentParser) -> None:
    from trainer.model.config import ModelConfig

    for name in ("sim_type", "temporal_type", "temporal_proj", "center_type", "center_proj"):
        field = ModelConfig.model_fields[name]
        parser.add_argument(f"--{name}", choices=get_args(field.annotation), help=field.description)
    for name, kind in (("centerK", int), ("center_weight", float), ("max_frames", int), ("max_words", int)):
        parser.add_argument(
            f"--{name}", type=kind, metavar=name.upper(), help=ModelConfig.model_fields[name].description
        )
