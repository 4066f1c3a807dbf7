"""`zoetrope validate`: every shard against the manifest, every member against its KEY.json."""

from __future__ import annotations

import logging
import sys
from argparse import Namespace
from collections.abc import Sequence
from typing import TYPE_CHECKING

from pipelines.output.folder import Output
from schemas.errors import ConfigError
from schemas.text import counted, human_bytes, one_line
from zoetrope.arguments import Parser, beam_options, is_local, split_beam_args
from zoetrope.interrupt import loading
from zoetrope.light import without_warnings

if TYPE_CHECKING:
    from pipelines.output.validate import Validation

USAGE = """zoetrope validate OUTPUT [--no-decode] [--workers N]
                         [--runner-config FILE] [-- BEAM OPTIONS]"""
EXAMPLES = """examples:
  zoetrope validate clips/
  zoetrope validate gs://bucket/clips --no-decode
  zoetrope validate clips/ --workers 4
  zoetrope validate gs://bucket/clips --runner-config flink"""
LOG = logging.getLogger(__name__)


def main(argv: Sequence[str]) -> int:
    """The command.

    0 all well, 1 something is wrong (each named). Raises ConfigError for what is no output.
    """
    own, after_dashes = split_beam_args(argv)
    args = _parser().read(own)
    beam_args = beam_options(args.runner_config, after_dashes)
    try:
        if is_local(beam_args):
            result = _validate_here(args, beam_args)
        else:
            result = _validate_on_runner(args, beam_args)
    except (OSError, ValueError) as error:
        raise ConfigError(one_line(error)) from error
    for problem in result.problems:
        print(problem)
    if not result.ok:
        problems, shards = counted(len(result.problems), "problem"), counted(result.shards, "shard")
        LOG.error(f"{args.output}: {problems} in {shards}; {_advice(args.output)}")
        return 1
    print(
        f"{args.output}: {counted(result.shards, 'shard')}, {counted(result.samples, 'sample')}, "
        f"{human_bytes(result.bytes)}: all as the manifest says"
    )
    return 0


def _advice(output: str) -> str:
    """The repair of a damaged output, in words."""
    if Output(output).is_ours():
        return (
            "delete the files that are named, and run the command that made the output: it makes them again"
        )
    return "restore the files that are named, or make the output again in a new folder"


def _validate_here(args: Namespace, beam_args: Sequence[str]) -> Validation:
    if beam_args:  # those for object stores
        with loading():
            from pipelines.running.options import check_options
            from pipelines.running.stores import store_options
            from storage.login import set_options
        check_options(beam_args)
        set_options(store_options(beam_args))
    with loading():
        from pipelines.output.validate import validate
    return validate(
        args.output, decode=not args.no_decode, workers=args.workers, progress=sys.stderr.isatty()
    )


def _validate_on_runner(args: Namespace, beam_args: Sequence[str]) -> Validation:
    if args.workers is not None:
        raise ConfigError("--workers: it is for this machine; the runner's own options set its workers")
    with loading(), without_warnings():
        from pipelines.running.validation import validate_on_runner
    return validate_on_runner(args.output, beam_args, decode=not args.no_decode)


def _parser() -> Parser:
    parser = Parser(
        prog="zoetrope validate",
        usage=USAGE,
        description="Check every shard of an output against the manifest, and every member against its "
        "KEY.json.\nWith a runner, its workers check them, for an output that one machine reads too slowly.",
        epilog=EXAMPLES,
    )
    parser.add_argument("output", metavar="OUTPUT", help="the folder or URI that `zoetrope animate` wrote")
    parser.add_argument(
        "--no-decode", action="store_true", help="check counts and checksums, but decode no pictures"
    )
    parser.add_argument("--workers", type=int, metavar="N", help="shards read together (default: all cores)")
    parser.add_argument(
        "--runner-config",
        metavar="FILE",
        help="Beam options in a file, or the name of a shipped one, such as flink; without it, this machine",
    )
    return parser
