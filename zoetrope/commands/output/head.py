"""`zoetrope head`: the first samples of shards, member by member."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from itertools import islice
from typing import TYPE_CHECKING, Any

from schemas.errors import ConfigError
from schemas.text import human_bytes, one_line
from zoetrope.arguments import Parser
from zoetrope.interrupt import loading

if TYPE_CHECKING:
    from storage.shards.read import RawSample

EXAMPLES = """examples:
  zoetrope head clips/
  zoetrope head clips/00003.tar -n 2
  zoetrope head 'gs://bucket/clips/{00000..00007}.tar' --json"""
CAPTION, MOST_TEXT = 200, 400  # characters


def main(argv: Sequence[str]) -> int:
    """The command. 0 done, 1 a shard is broken. Raises ConfigError if there is none."""
    args = _parser().read(argv)
    if args.number < 1:
        raise ConfigError(f"-n {args.number}: must be at least 1")
    for sample in islice(_samples(args.shards), args.number):
        if args.json:
            print(json.dumps(_as_json(sample), ensure_ascii=False))
        else:
            print(_as_text(sample))
    return 0


def _samples(shards: str) -> Iterator[RawSample]:
    with loading():
        from storage.shards.read import iter_shard
        from storage.tables import expand_shards
    for uri in expand_shards(shards):
        yield from iter_shard(uri)


def _as_text(sample: RawSample) -> str:
    members = ", ".join(f"{name} {human_bytes(len(data))}" for name, data in sample.members.items())
    lines = [
        f"{sample.key}  ({sample.shard.rpartition('/')[2]})",
        f"  members  {one_line(members, MOST_TEXT)}",
    ]
    caption = sample.members.get("txt")
    if caption is not None:
        lines.append(f"  caption  {one_line(caption.decode(errors='replace'), CAPTION)}")
    about = _meta(sample)
    if about:
        said = ", ".join(f"{name}={value}" for name, value in about.items())
        lines.append(f"  about    {one_line(said, MOST_TEXT)}")
    return "\n".join(lines)


def _as_json(sample: RawSample) -> dict[str, Any]:
    caption = sample.members.get("txt", b"").decode(errors="replace")
    sizes = {name: len(data) for name, data in sample.members.items()}
    return {"key": sample.key, "shard": sample.shard, "caption": caption, "bytes": sizes, **_meta(sample)}


def _meta(sample: RawSample) -> dict[str, Any]:
    """Return the main fields of KEY.json; {} for shards of other tools."""
    from storage.shards.read import ShardError

    try:
        meta = sample.meta()
    except ShardError:
        return {}
    about = {
        "frames": meta.frames,
        "size": f"{meta.width}x{meta.height}",
        "store": meta.store,
        "source": meta.source,
    }
    if meta.motion:
        about["motion"] = meta.motion
    if len(meta.captions) > 1:
        about["captions"] = len(meta.captions)
    return about


def _parser() -> Parser:
    parser = Parser(
        prog="zoetrope head",
        description="Show the first samples of shards: key, members, caption, and what KEY.json says.",
        epilog=EXAMPLES,
    )
    parser.add_argument(
        "shards", metavar="SHARDS", help="an output folder, a shard, a glob or a brace range; local or gs://"
    )
    parser.add_argument("-n", "--number", type=int, default=3, metavar="N", help="samples (default 3)")
    parser.add_argument("--json", action="store_true", help="print a line of JSON per sample")
    return parser
