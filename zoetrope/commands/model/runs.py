"""`zoetrope runs`: training runs side by side, as a table and as a page of curves."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import TYPE_CHECKING

from zoetrope.arguments import Parser
from zoetrope.interrupt import loading

if TYPE_CHECKING:
    from preview.runs.read import Run

LOG = logging.getLogger(__name__)
EXAMPLES = """examples:
  zoetrope runs runs/
  zoetrope runs runs/ -o runs.html
  zoetrope runs runs/pretrain runs/finetune gs://bucket/runs/ -o runs.html

"best of 3" compares runs that measured the same: on the same set, and for the loss with the same data, batch
and loss. The page needs no other file. It has curves with smoothing, the best value of each metric, and the
settings in which the runs differ. Runs that are still going are shown up to their newest record."""
NAME = 32  # characters of a run's name in the table
SHOWN = 12  # metrics of the table on the console; the page has all


def main(argv: Sequence[str]) -> int:
    """The command. Raises ConfigError for a place without a run."""
    args = _parser().read(argv)
    with loading():
        from preview.runs.page import write_page
        from preview.runs.read import read_runs
    runs = read_runs(args.runs)
    print(table(runs))
    for run in runs:
        for note in run.notes:
            LOG.warning(f"{run.name}: {note}")
    if args.output:
        write_page(args.output, runs)
        print(f"wrote {args.output}")
    return 0


def table(runs: Sequence[Run]) -> str:
    """Runs with their progress, and a row per metric and run with its best value."""
    from preview.runs.summary import best_metrics

    wide = min(max(len(run.name) for run in runs), NAME)
    lines = [f"{run.name:{wide}}  {run.status}" for run in runs]
    rows = best_metrics(runs)
    if rows:
        lines.append("")
    for row in rows[:SHOWN]:
        for run, cell in zip(runs, row.cells, strict=True):
            if cell is not None:
                mark = ""
                if cell.best_of:
                    mark = f"  best of {cell.best_of}"
                lines.append(f"{row.name:24}{cell.value:10.4g} at step {cell.step:<9,}{run.name}{mark}")
    if len(rows) > SHOWN:
        lines.append(f"and {len(rows) - SHOWN} more metrics, on the page of -o")
    return "\n".join(lines)


def _parser() -> Parser:
    parser = Parser(
        prog="zoetrope runs",
        description="Training runs side by side: progress, best metrics and, with -o, a page of curves.",
        epilog=EXAMPLES,
    )
    parser.add_argument(
        "runs",
        metavar="RUNS",
        nargs="+",
        help="outputs of `zoetrope train`, or folders of them; local or gs://",
    )
    parser.add_argument("-o", "--output", metavar="FILE", help="write a page, such as runs.html")
    return parser
