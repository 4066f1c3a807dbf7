"""`zoetrope train`: pretrain or fine-tune from shards, in one process or under torchrun."""

from __future__ import annotations

import logging
import signal
from collections.abc import Sequence

from trainer.fit.config import TrainConfig
from zoetrope.arguments import Parser, read_config
from zoetrope.interrupt import loading

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


def main(argv: Sequence[str]) -> int:
    """The command. 0 done, 1 the run could not continue, 130 or 143 stopped by a signal after a step."""
    args = _parser().read(argv)
    config = read_config(TrainConfig, args, "train")
    with loading():
        from trainer.fit.train import train
    result = train(config)
    if result.stopped_by is None:
        return 0
    name = signal.Signals(result.stopped_by).name
    LOG.warning(f"stopped by {name} after step {result.step}; resume=true goes on from there")
    return 128 + result.stopped_by


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
    )
    return parser
