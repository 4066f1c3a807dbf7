"""`zoetrope push`: a finished output to the Hugging Face hub."""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Sequence

from schemas.text import counted, human_bytes
from zoetrope.arguments import Parser
from zoetrope.interrupt import loading

STOPPED = "stopped; run the same command again: files that are there are not sent again"
EXAMPLES = """examples:
  zoetrope push clips/ user/clips --dry-run
  zoetrope push clips/ user/clips
  zoetrope push gs://bucket/clips user/clips --public --revision v2

The token is that of `hf auth login`, or HF_TOKEN.
datasets.load_dataset("user/clips") reads it afterwards."""


def main(argv: Sequence[str]) -> int:
    """The command. 0 done, 1 the connection broke or the hub failed. Raises ConfigError."""
    args = _parser().read(argv)
    if args.dry_run:
        return _plan(args)
    with loading():
        from pipelines.publish.push import push
    done = push(args.output, args.name, public=args.public, revision=args.revision, remove=args.delete)
    seen = "public"
    if done.private:
        seen = "private"
    removed = ""
    if done.removed:
        removed = f", {done.removed} removed"
    print(
        f"{done.address} ({seen}): {counted(done.sent, 'file')} sent, {human_bytes(done.sent_bytes)}; "
        f"{done.skipped} were there{removed}"
    )
    return 0


def _plan(args: Namespace) -> int:
    with loading():
        from pipelines.publish.push import planned
    files = planned(args.output, args.name)
    shards = [file for file in files if file.name.endswith(".tar")]
    others = ", ".join(file.name for file in files if not file.name.endswith(".tar"))
    print(f"{args.output} is finished; a push to {args.name} would send at most")
    print(f"  {counted(len(shards), 'shard')}, {human_bytes(sum(file.size for file in shards))}")
    print(f"  {others}")
    print("nothing was sent, and the hub was not asked which files it has")
    return 0


def _parser() -> Parser:
    parser = Parser(
        prog="zoetrope push",
        description="Send a finished output to the Hugging Face hub, as the data set USER/NAME.\n"
        "A data set that is not there yet is created, private unless --public. Files that are there, by\n"
        "sha256, are not sent again, so a push that broke is continued by the same command.",
        epilog=EXAMPLES,
    )
    parser.add_argument("output", metavar="OUTPUT", help="the folder or URI of a finished output")
    parser.add_argument("name", metavar="USER/NAME", help="the data set on the hub")
    parser.add_argument("--public", action="store_true", help="create the data set public (default: private)")
    parser.add_argument(
        "--revision", default="main", metavar="BRANCH", help="an existing branch (default main)"
    )
    parser.add_argument(
        "--delete", action="store_true", help="remove shards and tables there that OUTPUT does not have"
    )
    parser.add_argument("--dry-run", action="store_true", help="check the output without contacting the hub")
    return parser
