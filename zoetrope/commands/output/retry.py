"""`zoetrope retry`: the failed samples of an output, and only those."""

from __future__ import annotations

from collections.abc import Sequence

from zoetrope.arguments import Parser, beam_options, is_local, split_beam_args
from zoetrope.interrupt import loading
from zoetrope.jobs import AFTER_STOP, run_and_report
from zoetrope.light import import_beam_for_this_machine, without_warnings

STOPPED = AFTER_STOP
USAGE = """zoetrope retry OUTPUT [--reason A,B] [FIELD=VALUE ...]
                      [--runner-config FILE] [--detach] [-- BEAM OPTIONS]"""
DESCRIPTION = """Make only the failed samples of an output again. Successes are added as new shards, and
existing files do not change. The same command again finishes an interrupted retry.
Arguments after -- go to Beam unchanged."""
FIELDS = """settings that differ from the first run, among those that change no byte of a sample: workers,
max_failure_ratio, max_failed_tasks, the place of a moved source (source.uri, source.videos, ...), fetch.*
and limits.* of pictures, limits.decode_seconds and limits.memory_mb of videos; e.g. fetch.deadline=60"""
EXAMPLES = """examples:
  zoetrope retry clips/
  zoetrope retry clips/ --reason http_503,timeout fetch.deadline=60
  zoetrope retry clips/ source.uri=moved/"""


def main(argv: Sequence[str]) -> int:
    """The command. Exit codes as of `zoetrope animate`."""
    own, after_dashes = split_beam_args(argv)
    args = _parser().read(own)
    beam_args = beam_options(args.runner_config, after_dashes)
    reasons = [reason.strip() for reason in args.reason.split(",") if reason.strip()]
    with loading(), without_warnings():
        if is_local(beam_args):
            import_beam_for_this_machine()
        from pipelines.retry import config_of, retry
    config = config_of(args.output, args.overrides).to_dict()
    command = ["zoetrope", "retry", *argv]
    return run_and_report(
        lambda: retry(args.output, reasons, args.overrides, beam_args, detach=args.detach), config, command
    )


def _parser() -> Parser:
    parser = Parser(prog="zoetrope retry", usage=USAGE, description=DESCRIPTION, epilog=EXAMPLES)
    parser.add_argument("output", metavar="OUTPUT", help="the folder that `zoetrope animate` wrote")
    parser.add_argument(
        "--reason",
        default="",
        metavar="A,B",
        help="only failures with these reasons, e.g. --reason http_503,timeout (failures.parquet has them); "
        "default all",
    )
    parser.add_argument("overrides", nargs="*", default=[], metavar="FIELD=VALUE", help=FIELDS)
    parser.add_runner()
    return parser
