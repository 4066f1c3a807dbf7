"""`zoetrope failures`: why inputs failed, with one example of each reason, and what to do."""

from __future__ import annotations

import json
import shlex
from collections.abc import Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from schemas.advice import advice_for, passing_reasons
from schemas.errors import ConfigError
from schemas.text import counted, nearest_hint, one_line
from zoetrope.arguments import Parser
from zoetrope.interrupt import loading

if TYPE_CHECKING:
    from pipelines.overview import FailureGroup

EXAMPLES = """examples:
  zoetrope failures clips/
  zoetrope failures clips/ --reason http_404
  zoetrope failures gs://bucket/clips --json

`zoetrope retry OUTPUT --reason A,B` makes the failures of some reasons again."""
DETAIL = 100  # characters of a detail in the table
LONGEST = 2000  # characters of an address; people fetch it by hand


def main(argv: Sequence[str]) -> int:
    """The command. Raises ConfigError for what is no finished output, or an unknown reason."""
    args = _parser().read(argv)
    with loading():
        from pipelines.overview import failure_groups
    groups = failure_groups(args.output, args.reason)
    if args.json:
        print(json.dumps([_described(group) for group in groups], indent=2, ensure_ascii=False))
        return 0
    if args.reason is not None and not groups:
        known = sorted({group.reason for group in failure_groups(args.output)})
        raise ConfigError(
            f"--reason {args.reason}: no input failed for it; the reasons there are: "
            f"{', '.join(known) or 'none'}{nearest_hint(args.reason, known)}"
        )
    total = sum(group.count for group in groups)
    if args.reason is None:
        print(f"{args.output}: {counted(total, 'failure')}, {counted(len(groups), 'reason')}")
    else:
        print(f"{args.output}: {counted(total, 'failure')} of {args.reason}")
    for group in groups:
        advice = advice_for(group.reason)
        name = one_line(group.url or group.key, LONGEST)
        example = ": ".join(filter(None, (name, one_line(group.detail, DETAIL))))
        if args.reason is None:
            why = f"{group.stage}/{group.reason}"
            if group.filter:
                why = f"filtered by {group.filter}"
            example = f"{group.count:8}  {one_line(why, DETAIL)}  e.g. {example}"
        print(example)
        if args.reason is None and advice is not None:
            print(f"{'':8}  {advice}")
    passing = [reason for reason in passing_reasons() if any(group.reason == reason for group in groups)]
    if passing and args.reason is None:
        again = shlex.join(["zoetrope", "retry", args.output, "--reason", ",".join(passing)])
        print(f"may succeed on another day: {again}")
    return 0


def _described(group: FailureGroup) -> dict[str, Any]:
    advice = advice_for(group.reason)
    about: dict[str, str | None] = {"meaning": None, "remedy": None}
    if advice is not None:
        about = {"meaning": advice.meaning, "remedy": advice.remedy}
    return {**asdict(group), **about}


def _parser() -> Parser:
    parser = Parser(
        prog="zoetrope failures",
        description="Count the failed inputs of an output by reason, with an example of each and what to do.",
        epilog=EXAMPLES,
    )
    parser.add_argument("output", metavar="OUTPUT", help="the folder or URI of a job's output")
    parser.add_argument("--reason", metavar="R", help="list every failure of this reason instead")
    parser.add_argument("--json", action="store_true", help="print JSON")
    return parser
