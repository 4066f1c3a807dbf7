"""`zoetrope import-videos`: real videos with captions in, the same shards as `zoetrope animate` makes out."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from pipelines.config import ImportConfig
from zoetrope.arguments import Parser
from zoetrope.job_command import run_job_command
from zoetrope.jobs import AFTER_STOP

if TYPE_CHECKING:
    from zoetrope.job_command import UseCase

STOPPED = AFTER_STOP
USAGE = """zoetrope import-videos [-o DIR] [--config FILE] [FIELD=VALUE ...] [--dry-run]
                              [--runner-config FILE] [--detach] [-- BEAM OPTIONS]"""
DESCRIPTION = """Turn real videos with captions into WebDataset shards of frames. Fields come from the file,
then from FIELD=VALUE, in that order.
Arguments after -- go to Beam unchanged, e.g. -- --runner=FlinkRunner --flink_master=host:8081.
Running the same command again finishes what is missing. Ctrl-C stops; nothing half-written is left."""
EXAMPLES = """examples:
  zoetrope import-videos --config csv source.videos=videos/ source.annotations=captions.csv output=mine/
  zoetrope import-videos --config msvd source.videos=videos/ source.annotations=raw-captions.pkl \\
      source.split=test output=msvd/test/
  zoetrope import-videos --config csv source.videos=videos/ source.annotations=captions.csv \\
      output=mine/ --dry-run"""

MAIN = (
    "source.kind",
    "source.videos",
    "source.annotations",
    "source.split",
    "source.limit",
    "output",
    "frames.max_frames",
    "frames.feature_framerate",
    "workers",
    "shard.max_samples",
)


def main(argv: Sequence[str]) -> int:
    """The command. 0 done, 1 too many failures, or it cannot be finished now."""
    return run_job_command("import-videos", argv, _parser(), ImportConfig, "import", _load)


def _load() -> UseCase:
    from pipelines.videos import import_videos, plan

    return import_videos, plan


def _parser() -> Parser:
    parser = Parser(
        prog="zoetrope import-videos",
        usage=USAGE,
        description=DESCRIPTION,
        epilog=EXAMPLES,
    )
    parser.add_config(
        ImportConfig,
        "a YAML file of fields, or the name of a shipped one for a kind of annotations, such as csv",
        "set a field, e.g. source.split=test",
        MAIN,
        bare="source.videos",
    )
    parser.add_output()
    parser.add_argument(
        "--dry-run",
        action="store_true",
        help="print the plan (shards, samples, bytes, first keys, what is missing) and write nothing",
    )
    parser.add_runner()
    return parser
