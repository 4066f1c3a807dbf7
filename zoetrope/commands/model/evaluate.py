"""`zoetrope evaluate`: text-video retrieval metrics of a checkpoint, with and without re-ranking."""

from __future__ import annotations

import logging
import os
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from schemas.text import counted
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
  zoetrope evaluate checkpoint=runs/x/best data.shards=msvd/test/ rerank=false
  zoetrope evaluate checkpoint=runs/x/best 'sets={msvd: {shards: msvd/test/}, vatex: {shards: vatex/test/}}'
  zoetrope evaluate model.clip=ViT-B-32 model.pretrained=ViT-B-32.pt data.shards=msvd/test/"""
MAIN = (
    "checkpoint",
    "model.clip",
    "model.pretrained",
    "data.shards",
    "sets",
    "captions",
    "rerank",
    "device",
    "precision",
    "output",
)
LABEL = 32  # characters of a row's label
NAMED = 5  # samples left out that are named on the console; the result file names all


def table(result: Evaluation) -> str:
    """The metrics as papers print them."""
    return "\n".join([_heading(), *_rows(result)])


def _heading() -> str:
    return f"{'':{LABEL}}" + "".join(f"{metric.column:>8}" for metric in METRICS)


def _rows(result: Evaluation) -> list[str]:
    lines = []
    for way, title in DIRECTIONS.items():
        lines.append(_row(title, result.coarse[way]))
        if result.reranked is not None:
            lines.append(_row(f"  best {result.top_k} re-ranked", result.reranked[way]))
        for group, name in TITLES.items():
            if f"{group}.{way}" in result.extra:
                lines.append(_row(f"  {name}", result.extra[f"{group}.{way}"]))
    return lines


def table_of_sets(results: Mapping[str, Evaluation], plain: str) -> str:
    """One table of all sets, each under its name and size; `plain` is the name of the set without one."""
    lines = [_heading()]
    for name, result in results.items():
        lines += [_size(name or plain, result), *_rows(result)]
    return "\n".join(lines)


def _size(name: str, result: Evaluation) -> str:
    return f"{name}: {counted(result.videos, 'video')}, {counted(result.captions, 'caption')}"


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
        from trainer.retrieval.evaluate import evaluate_sets
    results = evaluate_sets(config)
    if os.environ.get("RANK", "0") == "0":  # of torchrun's ranks, which all have the result, one prints it
        _show(config, results)
    return 0


def _show(config: EvaluateConfig, results: Mapping[str, Evaluation]) -> None:
    if list(results) == [""]:
        print(_size(config.measured_model, results[""]))
        print(table(results[""]))
    else:
        print(config.measured_model)
        print(table_of_sets(results, "data.shards"))
    for name, result in results.items():
        prefix = ""
        if name:
            prefix = f"{name}: "
        _show_details(prefix, result)
    if config.output:
        print(f"wrote {config.output}")


def _show_details(prefix: str, result: Evaluation) -> None:
    for line in _of_motion(result):
        print(prefix + line)
    times = ", ".join(f"{name} {seconds:.2f} s" for name, seconds in result.seconds.items())
    print(f"{prefix}{times} ({result.videos / max(result.seconds['encode'], 1e-9):.0f} videos/s)")
    if result.repeated:
        print(
            f"{prefix}{result.repeated} samples show a video that came before; "
            "their new captions count as that video's"
        )
    if result.dropped:
        more = ""
        if len(result.dropped) > NAMED:
            more = f"; and {len(result.dropped) - NAMED} more"
        LOG.warning(
            f"{prefix}left out {len(result.dropped)}, so these numbers are not of the whole set: "
            f"{'; '.join(result.dropped[:NAMED])}{more}"
        )


def _parser() -> Parser:
    parser = Parser(
        prog="zoetrope evaluate",
        description="Text-video retrieval metrics of a checkpoint, or of CLIP's own weights (zero-shot), on "
        "shards of videos with captions.",
        epilog=EXAMPLES,
    )
    parser.add_config(
        EvaluateConfig,
        "a YAML file of fields, or the name of a shipped one, such as msvd",
        "set a field, e.g. checkpoint=runs/x/best",
        MAIN,
        bare="checkpoint",
    )
    return parser
