"""`zoetrope train`: pretrain or fine-tune from shards, in one process or under torchrun."""

from __future__ import annotations

import argparse
import logging
import os
import signal
from collections.abc import Sequence
from typing import Any

from storage.configs import load_values
from trainer.fit.config import TrainConfig
from trainer.model.config import ModelConfig
from zoetrope.arguments import Parser
from zoetrope.interrupt import loading
from zoetrope.shipped import find_config

LOG = logging.getLogger(__name__)
EXAMPLES = """examples:
  zoetrope train --config debug data.shards=clips/
  zoetrope train --config pretrain_coco data.shards=coco/ output=runs/coco
  torchrun --nproc_per_node=4 -m zoetrope train --config finetune_msrvtt data.shards=msrvtt/train/ \\
      data.eval_shards=msrvtt/test/ init=runs/coco/last"""

MAIN = (
    "data.shards",
    "data.eval_shards",
    "output",
    "init",
    "resume",
    "max_samples",
    "global_batch_size",
    "model.clip",
    "model.pretrained",
    "optim.lr_new",
)
LENGTHS = ("max_steps", "max_samples")


def main(argv: Sequence[str]) -> int:
    """The command. 0 done, 1 the run could not continue, 130 or 143 stopped by a signal after a step."""
    args = _parser().read(argv)
    config = read_train_config(args)
    with loading():
        from trainer.fit.train import train
    result = train(config)
    if result.stopped_by is None:
        return 0
    name = signal.Signals(result.stopped_by).name
    LOG.warning(f"stopped by {name} after step {result.step}; resume=true continues from there")
    return 128 + result.stopped_by


def read_train_config(args: argparse.Namespace) -> TrainConfig:
    """The config of --config and FIELD=VALUE.

    A length on the command line replaces that of the recipe. With `init`, the model is that of the
    checkpoint where nothing else is set. Raises ConfigError.
    """
    path = None
    if args.config is not None:
        path = find_config(args.config, "train")
    values = load_values(TrainConfig, path, args.overrides)
    given = {text.partition("=")[0] for text in args.overrides}
    for name, other in (LENGTHS, LENGTHS[::-1]):
        if name in given and other not in given and values.get(name) is not None:
            values.pop(other, None)
    if isinstance(values.get("init"), str):
        values["model"] = _inherited(values.get("model") or {}, values["init"])
    return TrainConfig.make(values)


def _inherited(given: Any, init: str) -> dict[str, Any]:
    with loading():
        from trainer.fit.initialise import inherit_model
    model = inherit_model(given, init)
    before, now = ModelConfig.make(given).to_dict(), ModelConfig.make(model).to_dict()
    taken = [f"{name}={now[name]}" for name in now if now[name] != before[name] and name not in given]
    if taken and os.environ.get("RANK", "0") == "0":  # torchrun starts the command once per rank
        LOG.info(f"init={init}: the model is that of the checkpoint in {', '.join(taken)}")
    return model


def _parser() -> Parser:
    parser = Parser(
        prog="zoetrope train",
        description="Pretrain or fine-tune CLIP2Video. On 8 GPUs: torchrun --nproc_per_node=8 -m zoetrope "
        "train --config ...",
        epilog=EXAMPLES,
    )
    parser.add_config(
        TrainConfig,
        "a YAML file of fields, or the name of a shipped recipe, such as debug",
        "set a field, e.g. data.shards='clips/*.tar'",
        MAIN,
        bare="data.shards",
    )
    return parser
