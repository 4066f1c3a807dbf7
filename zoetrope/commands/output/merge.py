"""`zoetrope merge`: several outputs into one folder of shards."""

from __future__ import annotations

from collections.abc import Sequence

from schemas.text import counted
from zoetrope.arguments import Parser
from zoetrope.interrupt import loading

EXAMPLES = """examples:
  zoetrope merge coco/ cc3m/ -o all/
  zoetrope merge monday/ tuesday/ wednesday/ -o week/
  zoetrope merge gs://bucket/a gs://bucket/b -o gs://bucket/both

Training needs no merge: data.shards takes a list of folders, and data.mix takes shares of them."""


def main(argv: Sequence[str]) -> int:
    """The command. 0 done, 1 a shard is broken. Raises ConfigError."""
    args = _parser().read(argv)
    with loading():
        from pipelines.regroup import merge
    shards = merge(args.outputs, args.output)
    samples = sum(row.samples for row in shards)
    print(f"{args.output}: {counted(samples, 'sample')} in {counted(len(shards), 'shard')}")
    return 0


def _parser() -> Parser:
    parser = Parser(
        prog="zoetrope merge",
        description="Copy the shards of several outputs into one, under new names, with new tables.\n"
        "Every shard is checked against its manifest. A key in two outputs is an error.",
        epilog=EXAMPLES,
    )
    parser.add_argument("outputs", metavar="OUTPUT", nargs="+", help="outputs of jobs, local or gs://")
    parser.add_argument("-o", "--output", metavar="DIR", required=True, help="a new or empty folder")
    return parser
