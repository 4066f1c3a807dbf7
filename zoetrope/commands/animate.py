"""`zoetrope animate`: image-caption pairs in, WebDataset clips out."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from pipelines.config import AnimateConfig
from schemas.config import describe
from zoetrope.arguments import Parser
from zoetrope.job_command import run_job_command
from zoetrope.jobs import AFTER_STOP

if TYPE_CHECKING:
    from zoetrope.job_command import UseCase

STOPPED = AFTER_STOP
USAGE = """zoetrope animate [--config FILE.yaml] [FIELD=VALUE ...] [--dry-run]
                        [--runner-config FILE.yaml] [--detach] [-- BEAM OPTIONS]"""
DESCRIPTION = """Turn image-caption pairs into clips in WebDataset shards. Fields come from the file, then
from FIELD=VALUE, in that order.
Arguments after -- go to Beam unchanged, e.g. -- --runner=FlinkRunner --flink_master=host:8081
Running the same command again finishes what is missing. Ctrl-C stops; nothing half-written is left."""
EXAMPLES = """examples:
  zoetrope animate --config folder source.uri=pictures/ output=clips/
  zoetrope animate --config coco source.annotations=captions_train2017.json source.images=train2017/ \\
      output=clips/
  zoetrope animate --config tars source.uri='cc12m/*.tar' output=gs://bucket/clips --runner-config flink"""


def main(argv: Sequence[str]) -> int:
    """The command. 0 done, 1 too many failures, or it cannot be finished now."""
    return run_job_command("animate", argv, _parser(), AnimateConfig, "animate", _load)


def _load() -> UseCase:
    from pipelines.animate import animate, plan

    return animate, plan


def _parser() -> Parser:
    rows = sorted(describe(AnimateConfig), key=lambda row: not row.strip().startswith(("source.", "output")))
    parser = Parser(
        prog="zoetrope animate",
        usage=USAGE,
        description=DESCRIPTION,
        epilog=f"{EXAMPLES}\n\nFields:\n" + "\n".join(rows),
    )
    parser.add_config(
        AnimateConfig,
        "a YAML file of fields, or the name of a shipped one for a kind of source, such as coco",
        "set a field, e.g. store=mp4",
    )
    parser.add_argument(
        "--dry-run",
        action="store_true",
        help="print the plan (shards, samples, bytes, first keys) and write nothing",
    )
    parser.add_runner()
    return parser
