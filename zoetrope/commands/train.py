"""`zoetrope train`: pretrain or fine-tune from shards, in one process or under torchrun."""

from __future__ import annotations

import logging
import signal
from collections.abc import Sequence

from schemas.config import describe
from trainer.fit.config import TrainConfig
from zoetrope.arguments import Parser, read_config
from zoetrope.interrupt import loading

LOG = logging.getLogger(__name__)


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
        description="Pretrain or fine-tune CLIP2Video. On 8 GPUs: torchrun --nproc_per_node=8 -m zoetrope train --config ...",
        epilog="fields:\n" + "\n".join(describe(TrainConfig)),
    )
    parser.add_config(
        TrainConfig,
        "YAML file with any of the fields below (configs/train/*.yaml)",
        "set a field, e.g. data.shards='clips/*.tar'",
    )
    return parser
