"""`zoetrope animate`: image-caption pairs in, WebDataset clips out."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from pipelines.config import AnimateConfig
from zoetrope.arguments import Parser
from zoetrope.job_command import run_job_command
from zoetrope.jobs import AFTER_STOP

if TYPE_CHECKING:
    from zoetrope.job_command import UseCase

STOPPED = AFTER_STOP
USAGE = """zoetrope animate [INPUT] [-o DIR] [--config FILE] [FIELD=VALUE ...] [--dry-run]
                        [--runner-config FILE] [--detach] [-- BEAM OPTIONS]"""
DESCRIPTION = """Turn image-caption pairs into clips in WebDataset shards. INPUT is a picture, a folder
of pictures, tars, Parquet, a TSV of captions and URLs, a list of URLs, COCO's captions JSON, or a saved
Hugging Face data set; a line says what it was taken for.
Fields come from the config file, then from FIELD=VALUE, in that order.
Arguments after -- go to Beam unchanged, e.g. -- --runner=FlinkRunner --flink_master=host:8081.
Running the same command again finishes what is missing. Ctrl-C stops; nothing half-written is left."""
EXAMPLES = """examples:
  zoetrope animate pictures/ -o clips/
  zoetrope animate --config coco source.annotations=captions_train2017.json source.images=train2017/ \\
      output=clips/
  zoetrope animate source.kind=huggingface source.uri=user/pictures -o clips/
  zoetrope animate 'cc12m/*.tar' -o gs://bucket/clips store=still motions=[zoom_in,pan_left] \\
      --runner-config flink"""
MAIN = (
    "source.kind",
    "source.uri",
    "source.limit",
    "output",
    "store",
    "motions",
    "clip.frames",
    "clip.size",
    "workers",
    "shard.max_samples",
)


def main(argv: Sequence[str]) -> int:
    """The command. 0 done, 1 too many failures, or it cannot be finished now."""
    return run_job_command("animate", argv, _parser(), AnimateConfig, "animate", _load)


def _load() -> UseCase:
    from pipelines.animate import animate, plan

    return animate, plan


def _parser() -> Parser:
    parser = Parser(prog="zoetrope animate", usage=USAGE, description=DESCRIPTION, epilog=EXAMPLES)
    parser.add_config(
        AnimateConfig,
        "a YAML file of fields, or the name of a shipped one for a kind of source, such as coco",
        "an input, or a field, e.g. store=mp4",
        MAIN,
        "INPUT | FIELD=VALUE",
    )
    parser.add_output()
    parser.add_argument(
        "--dry-run",
        action="store_true",
        help="print the plan (shards, samples, bytes, first keys) and write nothing",
    )
    parser.add_runner()
    return parser
