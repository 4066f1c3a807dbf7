"""`zoetrope stats`: what an output holds, from its tables."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING

from schemas.text import counted, human_bytes
from zoetrope.arguments import Parser
from zoetrope.interrupt import loading

if TYPE_CHECKING:
    from pipelines.overview import Overview, Spread

EXAMPLES = """examples:
  zoetrope stats clips/
  zoetrope stats gs://bucket/clips --json
  zoetrope stats msrvtt/train/"""
SHOWN = 30  # most frequent values of a column


def main(argv: Sequence[str]) -> int:
    """The command. Raises ConfigError for what is no finished output."""
    args = _parser().read(argv)
    with loading():
        from pipelines.overview import overview
    found = overview(args.output)
    if args.json:
        print(json.dumps(asdict(found), indent=2, ensure_ascii=False))
    else:
        print(table(args.output, found))
    return 0


def table(output: str, found: Overview) -> str:
    """The overview as text."""
    lines = [
        f"{output}: {counted(found.samples, 'sample')} in {counted(found.shards, 'shard')}, "
        f"{human_bytes(found.bytes)}; {counted(found.failed, 'input')} failed",
        "",
        f"{'':22}{'least':>10}{'25 %':>10}{'median':>10}{'75 %':>10}{'most':>10}",
        _row("samples a shard", found.shard_samples, "{:,.0f}".format),
        _row("bytes a shard", found.shard_bytes, human_bytes),
        _row("caption characters", found.caption_characters, "{:,.0f}".format),
        _row("zoom", found.zoom, "{:.2f}".format),
        *(_row(name, spread, "{:.4g}".format) for name, spread in found.scores.items()),
        "",
        f"samples that repeat an earlier caption: {found.captions_repeated:,}",
    ]
    for name, counts in (
        ("motions", found.motions),
        ("sources", found.sources),
        ("frames", found.frames),
        ("sizes", found.sizes),
    ):
        lines += _counts(name, counts, found.samples)
    lines += _counts("dropped by filters", found.dropped, found.samples + found.failed)
    return "\n".join(lines)


def _row(name: str, spread: Spread | None, shown: Callable[[float], str]) -> str:
    if spread is None:
        return f"{name:22}{'-':>10}"
    values = (spread.least, spread.quarter, spread.median, spread.three_quarters, spread.most)
    return f"{name:22}" + "".join(f"{shown(value):>10}" for value in values)


def _counts(name: str, counts: dict[str, int], samples: int) -> list[str]:
    if not counts:
        return []
    rows = [
        f"  {count:10,}  {100 * count / samples:5.1f} %  {value or '(real video)'}"
        for value, count in Counter(counts).most_common(SHOWN)
    ]
    left = len(counts) - SHOWN
    if left > 0:
        rows.append(f"  and {left} more")
    return ["", f"{name}:", *rows]


def _parser() -> Parser:
    parser = Parser(
        prog="zoetrope stats",
        description="Count what an output holds: shards, captions, motions, sizes, failures.",
        epilog=EXAMPLES,
    )
    parser.add_argument("output", metavar="OUTPUT", help="the folder or URI of a job's output")
    parser.add_argument("--json", action="store_true", help="print JSON")
    return parser
