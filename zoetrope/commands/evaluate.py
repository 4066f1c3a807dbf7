"""`zoetrope evaluate`: text-video retrieval metrics of a checkpoint, with and without re-ranking."""

from __future__ import annotations

import logging
import os
from collections.abc import Sequence
from typing import TYPE_CHECKING

from trainer.retrieval.config import EvaluateConfig
from trainer.retrieval.scores import DIRECTIONS, METRICS, TITLES
from zoetrope.arguments import Parser, read_config
from zoetrope.interrupt import loading

if TYPE_CHECKING:
    from trainer.retrieval.evaluate import Evaluation

LOG = logging.getLogger(__name__)
EXAMPLES = """examples:
  zoetrope evaluate checkpoint=runs/x/best data.shards=msvd/test/
  zoetrope evaluate --config msvd checkpoint=runs/x/best data.shards=msvd/test/ output=msvd.json
  zoetrope evaluate checkpoint=runs/x/best data.shards=msvd/test/ rerank=false"""
LABEL = 32  # characters of a row's label
NAMED = 5  # samples left out that are named on the console; the result file names all


def table(result: Evaluation) -> str:
    """The metrics as papers print them."""
    lines = [f"{'':{LABEL}}" + "".join(f"{metric.column:>8}" for metric in METRICS)]
    for way, title in DIRECTIONS.items():
        lines.append(_row(title, result.coarse[way]))
        if result.reranked is not None:
            lines.append(_row(f"  best {result.top_k} re-ranked", result.reranked[way]))
        for group, name in TITLES.items():
            if f"{group}.{way}" in result.extra:
                lines.append(_row(f"  {name}", result.extra[f"{group}.{way}"]))
    return "\n".join(lines)


def _row(label: str, values: dict[str, float]) -> str:
    return f"{label:{LABEL}}" + "".join(f"{values[metric.name]:8.1f}" for metric in METRICS)


def _of_motion(result: Evaluation) -> list[str]:
    """Sentences on what the model sees of motion, where that was measured."""
    lines = []
    if motion := result.extra.get("motion"):
        lines.append(
            f"right motion among clips of equal content: {motion['accuracy']:.1f} % of "
            f"{motion['queries']:.0f} captions (chance {motion['chance']:.1f} %)"
        )
    if back := result.extra.get("backwards"):
        lines.append(
            f"clip played backwards preferred to the right one: {back['preferred']:.1f} % of "
            f"{back['queries']:.0f} captions (chance 50 %)"
        )
    return lines


def main(argv: Sequence[str]) -> int:
    """The command. 0 done, 1 unusable data or features, or too little memory."""
    args = _parser().read(argv)
    config = read_config(EvaluateConfig, args, "eval")
    with loading():
        from trainer.retrieval.evaluate import evaluate
    result = evaluate(config)
    if os.environ.get("RANK", "0") == "0":  # of torchrun's ranks, which all have the result, one prints it
        _show(config, result)
    return 0


def _show(config: EvaluateConfig, result: Evaluation) -> None:
    print(f"{config.checkpoint}: {result.videos} videos, {result.captions} captions")
    print(table(result))
    for line in _of_motion(result):
        print(line)
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
