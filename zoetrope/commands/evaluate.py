"""`zoetrope evaluate`: text-video retrieval metrics of a checkpoint, with and without re-ranking."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import TYPE_CHECKING

from trainer.retrieval.config import EvaluateConfig
from trainer.retrieval.scores import DIRECTIONS, METRICS
from zoetrope.arguments import Parser, read_config
from zoetrope.interrupt import loading

if TYPE_CHECKING:
    from trainer.retrieval.evaluate import Evaluation

LOG = logging.getLogger(__name__)
EXAMPLES = """examples:
  zoetrope evaluate checkpoint=runs/x/best data.shards=msvd/test/
  zoetrope evaluate --config msvd checkpoint=runs/x/best data.shards=msvd/test/ output=msvd.json
  zoetrope evaluate checkpoint=runs/x/best data.shards=msvd/test/ rerank=false"""
NAMED = 5  # samples left out that are named on the console; the result file names all


def table(result: Evaluation) -> str:
    """The metrics as papers print them."""
    lines = [f"{'':24}" + "".join(f"{metric.column:>8}" for metric in METRICS)]
    for way, title in DIRECTIONS.items():
        lines.append(_row(title, result.coarse[way]))
        if result.reranked is not None:
            lines.append(_row(f"  best {result.top_k} re-ranked", result.reranked[way]))
    return "\n".join(lines)


def _row(label: str, values: dict[str, float]) -> str:
    return f"{label:24}" + "".join(f"{values[metric.name]:8.1f}" for metric in METRICS)


def main(argv: Sequence[str]) -> int:
    """The command. 0 done, 1 unusable data or features, or too little memory."""
    args = _parser().read(argv)
    config = read_config(EvaluateConfig, args, "eval")
    with loading():
        from trainer.retrieval.evaluate import evaluate
    _show(config, evaluate(config))
    return 0


def _show(config: EvaluateConfig, result: Evaluation) -> None:
    print(f"{config.checkpoint}: {result.videos} videos, {result.captions} captions")
    print(table(result))
    times = ", ".join(f"{name} {seconds:.2f} s" for name, seconds in result.seconds.items())
    print(f"{times} ({result.videos / max(result.seconds['encode'], 1e-9):.0f} videos/s)")
    if result.repeated:
        print(
            f"{result.repeated} samples show a video that came before; "
            "their new captions count as that video's"
        )
    if result.dropped:
        more = f"; and {len(result.dropped) - NAMED} more" if len(result.dropped) > NAMED else ""
        LOG.warning(
            f"left out {len(result.dropped)}, so these numbers are not of the whole set: "
            f"{'; '.join(result.dropped[:NAMED])}{more}"
        )
    if config.output:
        print(f"wrote {config.output}")


def _parser() -> Parser:
    parser = Parser(
        prog="zoetrope evaluate",
        description="Text-video retrieval metrics of a checkpoint on shards of videos with captions.",
        epilog=EXAMPLES,
    )
    parser.add_config(
        EvaluateConfig,
        "a YAML file of fields, or the name of a shipped one, such as msvd",
        "set a field, e.g. checkpoint=runs/x/best",
    )
    return parser
