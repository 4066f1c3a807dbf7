"""`zoetrope validate`: every shard against the manifest, every member against its KEY.json."""

from __future__ import annotations

import logging
import sys
from collections.abc import Sequence

from schemas.errors import ConfigError
from schemas.text import one_line
from zoetrope.arguments import Parser
from zoetrope.interrupt import loading

EXAMPLES = """examples:
  zoetrope validate clips/
  zoetrope validate gs://bucket/clips --no-decode
  zoetrope validate clips/ --workers 4"""
LOG = logging.getLogger(__name__)


def main(argv: Sequence[str]) -> int:
    """The command.

    0 all well, 1 something is wrong (each named). Raises ConfigError for what is no output.
    """
    args = _parser().read(argv)
    with loading():
        from pipelines.output.validate import validate
    try:
        result = validate(
            args.output, decode=not args.no_decode, workers=args.workers, progress=sys.stderr.isatty()
        )
    except (OSError, ValueError) as error:
        raise ConfigError(one_line(error)) from error
    for problem in result.problems:
        print(problem)
    if not result.ok:
        LOG.error(f"{args.output}: {len(result.problems)} problems in {result.shards} shards")
        return 1
    print(
        f"{args.output}: {result.shards} shards, {result.samples} samples, {result.bytes} bytes: "
        "all as the manifest says"
    )
    return 0


def _parser() -> Parser:
    parser = Parser(
        prog="zoetrope validate",
        description="Check every shard of an output against the manifest, and every member against its "
        "KEY.json.",
        epilog=EXAMPLES,
    )
    parser.add_argument("output", metavar="OUTPUT", help="the folder or URI that `zoetrope animate` wrote")
    parser.add_argument(
        "--no-decode", action="store_true", help="check counts and checksums, but decode no pictures"
    )
    parser.add_argument("--workers", type=int, metavar="N", help="shards read together (default: all cores)")
    return parser
