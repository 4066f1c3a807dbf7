"""`zoetrope import-videos`: real videos with captions in, the same shards as `zoetrope animate` makes out."""

from __future__ import annotations

from collections.abc import Sequence

from pipelines.config import ImportConfig
from schemas.config import describe
from zoetrope.arguments import Parser, beam_options, is_local, read_config, split_beam_args
from zoetrope.interrupt import loading
from zoetrope.jobs import AFTER_STOP, job_circumstances, plan_lines, run_and_report

STOPPED = AFTER_STOP
USAGE = """zoetrope import-videos [--config FILE.yaml] [FIELD=VALUE ...] [--dry-run]
                              [--runner-config FILE.yaml] [--detach] [-- BEAM OPTIONS]"""
DESCRIPTION = """Turn real videos with captions into WebDataset shards of frames. Fields come from the file,
then from FIELD=VALUE, in that order.
Arguments after -- go to Beam unchanged, e.g. -- --runner=FlinkRunner --flink_master=host:8081
Running the same command again finishes what is missing. Ctrl-C stops; nothing half-written is left."""
EXAMPLES = """examples:
  zoetrope import-videos --config csv source.videos=videos/ source.annotations=captions.csv output=mine/
  zoetrope import-videos --config msvd source.videos=videos/ source.annotations=raw-captions.pkl \\
      source.split=test output=msvd/test/
  zoetrope import-videos --config csv source.videos=videos/ source.annotations=captions.csv \\
      output=mine/ --dry-run"""


def main(argv: Sequence[str]) -> int:
    """The command. 0 done, 1 too many failures, or it cannot be finished now."""
    own, after_dashes = split_beam_args(argv)
    args = _parser().read(own)
    config = read_config(ImportConfig, args, "import")
    beam_args = beam_options(args.runner_config, after_dashes)
    with loading():
        from pipelines.making.pools import workers_started
    with workers_started(config, is_local(beam_args) and not args.dry_run):
        with loading():
            from pipelines.videos import import_videos, plan
        if args.dry_run:
            with job_circumstances():
                print(plan_lines(plan(config, beam_args)))
            return 0
        command = ["zoetrope", "import-videos", *argv]
        return run_and_report(
            lambda: import_videos(config, beam_args, detach=args.detach), config.to_dict(), command
        )


def _parser() -> Parser:
    parser = Parser(
        prog="zoetrope import-videos",
        usage=USAGE,
        description=DESCRIPTION,
        epilog=f"{EXAMPLES}\n\nFields:\n" + "\n".join(describe(ImportConfig)),
    )
    parser.add_config(
        ImportConfig,
        "a YAML file of fields, or the name of a shipped one for a kind of annotations, such as csv",
        "set a field, e.g. source.split=test",
    )
    parser.add_argument(
        "--dry-run",
        action="store_true",
        help="print the plan (shards, samples, bytes, first keys, what is missing) and write nothing",
    )
    parser.add_runner()
    return parser
