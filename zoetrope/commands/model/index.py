"""`zoetrope index`: embed every clip of some shards once, so that they can be searched."""

from __future__ import annotations

import argparse
import logging
from collections.abc import Sequence

from schemas.text import counted
from trainer.index.config import IndexSettings
from zoetrope.arguments import Parser
from zoetrope.interrupt import loading

EXAMPLES = """examples:
  zoetrope index runs/x/best clips/ -o index/
  zoetrope index runs/x/best 'clips/*.tar' gs://bucket/more -o index/
  zoetrope index runs/x/best clips/ -o index/ --prune"""
LOG = logging.getLogger(__name__)
STOPPED = "stopped; the same command continues with the missing shards"
SETTINGS = ("workers", "batch_size", "device", "precision", "tokens")
NAMED = 5  # things left out that are named on the console


def main(argv: Sequence[str]) -> int:
    """The command.

    0 done, 1 some shards could not be read (the others are indexed), or it cannot continue.
    """
    args = _parser().read(argv)
    values = {name: getattr(args, name) for name in SETTINGS if getattr(args, name) is not None}
    settings = IndexSettings.make(values)
    with loading():
        from trainer.index.build import index
    done = index(args.checkpoint, args.shards, args.output, settings, prune=args.prune)
    print(
        f"{args.output}: {counted(done.clips, 'clip')} of {counted(done.shards, 'shard')} indexed; "
        f"already there: {counted(done.skipped, 'shard')}"
    )
    if args.prune:
        print(f"{args.output}: {done.pruned} shards that are no longer there forgotten")
    _warn("samples left out", done.dropped)
    _warn("shards not indexed", done.broken)
    _warn("indexed shards are no longer there, --prune forgets them", done.missing)
    if done.broken:
        return 1
    return 0


def _warn(what: str, names: Sequence[str]) -> None:
    if names:
        more = ""
        if len(names) > NAMED:
            more = f"; and {len(names) - NAMED} more"
        LOG.warning(f"{len(names)} {what}: {'; '.join(names[:NAMED])}{more}")


def _parser() -> Parser:
    parser = Parser(
        prog="zoetrope index",
        description="Embed shards for search. The same command again embeds only new or changed shards.",
        epilog=EXAMPLES,
    )
    fields = IndexSettings.model_fields
    parser.add_argument(
        "checkpoint", metavar="CHECKPOINT", help="a checkpoint folder, such as runs/finetune/best"
    )
    parser.add_argument(
        "shards", metavar="SHARDS", nargs="+", help="folders, globs or brace ranges of shards, local or gs://"
    )
    parser.add_argument(
        "-o",
        "--output",
        metavar="DIR",
        required=True,
        help="the index: a new or empty folder, or one to add to",
    )
    parser.add_argument(
        "--prune",
        action="store_true",
        help="forget indexed shards that are no longer there; of what is there nothing is forgotten",
    )
    parser.add_argument(
        "--workers", type=int, metavar="N", help=f"{fields['workers'].description} (default 4)"
    )
    parser.add_argument(
        "--batch-size", type=int, metavar="N", help=f"{fields['batch_size'].description} (default 64)"
    )
    parser.add_argument("--device", choices=("auto", "cpu", "cuda"), help=fields["device"].description)
    parser.add_argument(
        "--precision", choices=("bf16", "fp32"), help=f"{fields['precision'].description} (default fp32)"
    )
    parser.add_argument("--tokens", action=argparse.BooleanOptionalAction, help=fields["tokens"].description)
    return parser
