"""`zoetrope split`: the samples of an output into several, by shares."""

from __future__ import annotations

from collections.abc import Sequence

from schemas.errors import ConfigError
from schemas.text import counted
from zoetrope.arguments import Parser
from zoetrope.interrupt import loading

EXAMPLES = """examples:
  zoetrope split clips/ train=0.9 val=0.1 -o parts/
  zoetrope split clips/ train=8 val=1 test=1 -o parts/ --seed 7
  zoetrope split gs://bucket/clips train=0.99 val=0.01 -o gs://bucket/parts

All clips of a picture or video go to one side. The same command gives the same sides."""


def main(argv: Sequence[str]) -> int:
    """The command. 0 done, 1 a shard is broken. Raises ConfigError."""
    args = _parser().read(argv)
    shares = dict(_share(text) for text in args.shares)
    if len(shares) < max(len(args.shares), 2):
        raise ConfigError("give two or more parts with different names, e.g. train=0.9 val=0.1")
    with loading():
        from pipelines.regroup import split
    for name, shards in split(args.input, shares, args.output, seed=args.seed).items():
        samples = sum(row.samples for row in shards)
        where, many = f"{args.output.rstrip('/')}/{name}", counted(len(shards), "shard")
        print(f"{where}: {counted(samples, 'sample')} in {many}")
    return 0


def _share(text: str) -> tuple[str, float]:
    name, _, share = text.partition("=")
    try:
        number = float(share)
    except ValueError:
        number = 0.0
    if not name.replace("_", "").replace("-", "").isalnum() or not 0 < number < float("inf"):
        raise ConfigError(f"{text!r}: write a part as NAME=SHARE, e.g. val=0.1; a share is above 0")
    return name, number


def _parser() -> Parser:
    parser = Parser(
        prog="zoetrope split",
        description="Write every sample of an output to one of several new ones, by shares.",
        epilog=EXAMPLES,
    )
    parser.add_argument("input", metavar="OUTPUT", help="the output of a job, local or gs://")
    parser.add_argument("shares", metavar="NAME=SHARE", nargs="+", help="a part and its share, e.g. val=0.1")
    parser.add_argument(
        "-o", "--output", metavar="DIR", required=True, help="where the parts go: DIR/NAME, new or empty"
    )
    parser.add_argument("--seed", type=int, default=0, metavar="N", help="of the draw (default 0)")
    return parser
