"""`zoetrope convert`: official CLIP2Video weights, or plain CLIP weights, to a checkpoint folder of ours."""

from __future__ import annotations

from collections.abc import Sequence
from typing import get_args

from trainer.model.config import ModelConfig
from zoetrope.arguments import Parser
from zoetrope.interrupt import loading

CHOICES = ("sim_type", "temporal_type", "temporal_proj", "center_type", "center_proj")
NUMBERS = {"centerK": int, "center_weight": float, "max_frames": int, "max_words": int}
OPTIONS = (*CHOICES, *NUMBERS, "quick_gelu")
EPILOG = """examples:
  zoetrope convert official CLIP2Video_MSRVTT9k/pytorch_model.bin.2 -o checkpoints/msrvtt
  zoetrope convert clip ViT-B-32.pt -o checkpoints/clip

The folder holds model.safetensors and config.json; `zoetrope train init=DIR`, `evaluate checkpoint=DIR` and
`index DIR` take it. Files are read as plain weights, and nothing in them is executed. Give the options that
the weights were trained with. The defaults are the paper's model, within what the given options allow."""


def main(argv: Sequence[str]) -> int:
    """The command. Raises ConfigError for weights that do not fit."""
    args = vars(_parser().read(argv))
    kind, file, output = (args.pop(name) for name in ("kind", "file", "output"))
    options = {name: value for name, value in args.items() if name in OPTIONS and value is not None}
    with loading():
        from trainer.model.weights.convert import convert
    model = convert(kind, file, output, options)
    config = model.config
    parts = (config.sim_type, config.temporal_type, config.temporal_proj, config.center_proj)
    count = sum(parameter.numel() for parameter in model.parameters())
    print(
        f"{output}: {' '.join(part for part in parts if part)}, D {model.width}, {model.image_size} px, "
        f"{count / 1e6:.1f} M parameters"
    )
    return 0


def _parser() -> Parser:
    parser = Parser(
        prog="zoetrope convert",
        description="Convert official CLIP2Video weights, or plain CLIP weights, to a checkpoint folder.",
        epilog=EPILOG,
    )
    kinds = parser.add_subparsers(dest="kind", required=True, metavar="{official,clip}")
    official = kinds.add_parser("official", help="a CLIP2Video state dict (pytorch_model.bin.N)")
    clip = kinds.add_parser(
        "clip", help="CLIP ViT weights of OpenAI, open_clip or Hugging Face (.pt, .bin, .safetensors)"
    )
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
        help="the weights were trained with exact GELU (open_clip's names without -quickgelu); "
        "default: QuickGELU",
    )
    return parser


def _add_options(parser: Parser) -> None:
    for name in CHOICES:
        field = ModelConfig.model_fields[name]
        choices = get_args(field.annotation)
        parser.add_argument(
            f"--{name}",
            choices=choices,
            metavar="|".join(each or "''" for each in choices),
            help=f"{field.description} (default {field.default})",
        )
    for name, kind in NUMBERS.items():
        field = ModelConfig.model_fields[name]
        parser.add_argument(
            f"--{name}", type=kind, metavar="N", help=f"{field.description} (default {field.default})"
        )
