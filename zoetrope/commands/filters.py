"""`zoetrope filters`: what the filters of a config would drop, without making clips."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from pipelines.config import AnimateConfig
from schemas.text import counted, one_line
from zoetrope.arguments import Parser, read_config
from zoetrope.inputs import spelled_out
from zoetrope.interrupt import loading

if TYPE_CHECKING:
    from collections.abc import Callable

    from pipelines.trial.result import Example, Trial, Tried

USAGE = """zoetrope filters [INPUT] [--config FILE] [FIELD=VALUE ...] [-o PAGE.html] [--limit N]"""
DESCRIPTION = """Try filters on the first inputs of a source: scores, what each filter drops, and pictures
around its threshold, as a table and (with -o) a page. Makes no clip and no output folder. Source, config and
fields are those of `zoetrope animate`. Without `filters` every rule is tried that needs no model, with its
defaults."""
EXAMPLES = """examples:
  zoetrope filters pictures/ -o filters.html
  zoetrope filters pictures/ 'filters=[caption_words, {name: picture_blur, min: 100}]'
  zoetrope filters --config coco source.annotations=captions_train2017.json source.images=train2017/ \\
      --limit 2000 -o filters.html
  zoetrope filters 'cc12m/*.tar' --json > filters.json"""
MAIN = (
    "filters",
    "source.kind",
    "source.uri",
    "source.annotations",
    "source.images",
    "captions.pick",
    "pictures.min_side",
    "fetch.per_host",
    "limits.seconds",
    "workers",
)
NOWHERE = "output=nowhere"  # an AnimateConfig has an output; this command writes none
SHOWN = 2  # examples on either side of a threshold in the table
TEXT = 70  # characters of a caption


def main(argv: Sequence[str]) -> int:
    """The command. 0 done, 1 not one input could be scored. Raises ConfigError."""
    args = _parser().read(argv)
    page, args.output = args.output, None
    args.overrides = [*spelled_out(args, guess=True, example="zoetrope filters pictures/"), NOWHERE]
    config = read_config(AnimateConfig, args, "animate")
    with loading():
        from pipelines.trial.run import try_filters
    with _progress(args.limit) as show:
        trial = try_filters(config, args.limit, show)
    where = one_line(config.source.uri or config.source.annotations or config.source.kind)
    if args.json:
        print(json.dumps(as_json(trial), indent=2, ensure_ascii=False))
    else:
        print(table(where, trial))
    if page is not None:
        from preview.report.filters_page import write_page

        write_page(page, trial, source=f"{where}, {counted(trial.inputs, 'input')}")
        if not args.json:
            print(f"wrote {page}")
    return int(trial.failed == trial.inputs)


def table(where: str, trial: Trial) -> str:
    """The result as text."""
    share = 100 * trial.dropped / trial.inputs
    failed = f", {trial.failed} failed" * bool(trial.failed)
    wide = max(len("filter"), *(len(tried.label) for tried in trial.filters))
    lines = [
        f"{where}: {counted(trial.inputs, 'input')} tried, {trial.kept} kept, {trial.dropped} dropped "
        f"({share:.1f} %){failed}",
        "",
        f"{'filter':{wide}}  {'range':>12}{'least':>9}{'25 %':>9}{'median':>9}{'75 %':>9}{'most':>9}"
        f"{'drops':>8}{'first':>8}{'alone':>8}",
        *(_row(tried, wide) for tried in trial.filters),
    ]
    for tried in trial.filters:
        if tried.dropped:
            lines += ["", f"around the threshold of {tried.label}:"]
            lines += [_line("keeps", example) for example in tried.nearest_kept[:SHOWN]]
            lines += [_line("drops", example) for example in tried.nearest_dropped[:SHOWN]]
    if trial.failures:
        lines.append("")
    for name, count in trial.failures.items():
        lines.append(f"{count:8}  {name}  e.g. {one_line(trial.examples[name], 100)}")
    return "\n".join(lines)


def as_json(trial: Trial) -> dict[str, Any]:
    """The result as plain values."""
    return {
        "inputs": trial.inputs,
        "kept": trial.kept,
        "dropped": trial.dropped,
        "failures": dict(trial.failures),
        "filters": {tried.label: _values(tried) for tried in trial.filters},
        "config": {"filters": list(trial.values)},
    }


def _values(tried: Tried) -> dict[str, Any]:
    names = ("least", "quarter", "median", "three_quarters", "most")
    return {
        "filter": tried.described,
        "drops": tried.dropped,
        "first": tried.first,
        "alone": tried.alone,
        "scores": dict(zip(names, _quartiles(tried), strict=False)),
        "percent_dropped_at": {str(share): value for share, value in tried.cuts.items()},
        "nearest_kept": [[example.key, example.score] for example in tried.nearest_kept],
        "nearest_dropped": [[example.key, example.score] for example in tried.nearest_dropped],
    }


def _row(tried: Tried, wide: int) -> str:
    from preview.report.filters_page import sparkline

    numbers = "".join(f"{value:9.3g}" for value in _quartiles(tried)) or f"{'-':>9}{'':36}"
    counts = f"{tried.dropped:8}{tried.first:8}{tried.alone:8}"
    return f"{tried.label:{wide}}  {_range(tried):>12}{numbers}{counts}  {sparkline(tried)}".rstrip()


def _range(tried: Tried) -> str:
    if tried.low is not None and tried.high is not None:
        return f"{tried.low:g} to {tried.high:g}"
    if tried.low is not None:
        return f"min {tried.low:g}"
    if tried.high is None:
        return ""
    return f"max {tried.high:g}"


def _quartiles(tried: Tried) -> list[float]:
    if not len(tried.scores):
        return []
    import numpy as np

    return [float(f"{value:.6g}") for value in np.percentile(tried.scores, (0, 25, 50, 75, 100))]


def _line(verb: str, example: Example) -> str:
    score = ""
    if example.score is not None:
        score = f"{example.score:.4g}"
    why = ""
    if example.original or example.score is None:
        why = f"  ({one_line(example.refusal, TEXT)})"
    return f"  {verb} {score:>9}  {example.key}  {one_line(example.caption, TEXT)}{why}"


@contextmanager
def _progress(limit: int) -> Iterator[Callable[[int], None]]:
    """A bar on a terminal, for as long as the block runs."""
    from tqdm import tqdm

    with tqdm(total=limit, unit="input", leave=False, disable=None) as bar:

        def show(done: int) -> None:
            bar.update(done - bar.n)

        yield show


def _parser() -> Parser:
    parser = Parser(prog="zoetrope filters", usage=USAGE, description=DESCRIPTION, epilog=EXAMPLES)
    parser.add_config(
        AnimateConfig,
        "a YAML file of fields, or the name of a shipped one for a kind of source, such as coco",
        "an input, or a field, e.g. filters=[picture_blur]",
        MAIN,
        "INPUT | FIELD=VALUE",
    )
    parser.add_argument("-o", "--output", metavar="FILE", help="write a page, such as filters.html")
    parser.add_argument("--limit", type=int, default=500, metavar="N", help="inputs to try (default 500)")
    parser.add_argument("--json", action="store_true", help="print JSON")
    return parser
