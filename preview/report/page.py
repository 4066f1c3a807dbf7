"""The template engine of the pages, and numbers for their charts."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from preview.report.summary import Histogram
from schemas.advice import advice_for
from schemas.text import human_bytes

if TYPE_CHECKING:
    from jinja2 import Environment

TITLES = {
    "zoom": "Zoom of the tightest view (x)",
    "short_side": "Shorter side of the picture (px)",
    "aspect": "Aspect of the picture (width / height)",
    "caption_length": "Caption length (characters)",
    "sample_bytes": "Size of a sample",
}


@dataclass(frozen=True)
class Bar:
    """One bar of a chart."""

    label: str
    count: int
    percent: float  # of the longest bar, 0 to 100
    low: float | None = None  # the values that it counts are at least this; None: there is no such bound
    high: float | None = None  # and below this


def make_environment() -> Environment:
    """Templates from `preview/assets`, with escaping on for every value."""
    from jinja2 import Environment, PackageLoader, StrictUndefined

    environment = Environment(
        loader=PackageLoader("preview", "assets"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(
        thousands=thousands,
        bytes=human_bytes,
        seconds=human_seconds,
        percent=lambda x: f"{100 * x:.1f} %",
        advice=advice_for,
    )
    environment.globals["TITLES"] = TITLES
    return environment


def bars(histogram: Histogram) -> list[Bar]:
    """A histogram without its empty ends."""
    counts, edges = histogram.counts, histogram.edges
    filled = [i for i, count in enumerate(counts) if count]
    if not filled:
        return []
    most = max(counts)
    show: Callable[[float], str] = "{:g}".format
    if histogram.name == "sample_bytes":
        show = human_bytes
    rows = []
    for i in range(filled[0], filled[-1] + 1):
        label, low, high = f"over {show(edges[i])}", edges[i], None
        if i + 1 < len(edges):
            high = edges[i + 1]
            label = f"{show(low)} – {show(high)}"
            if histogram.whole:
                label = _whole_numbers(low, high - 1)
        rows.append(Bar(label, counts[i], 100 * counts[i] / most, low if i else None, high))
    return rows


def _whole_numbers(first: float, last: float) -> str:
    if first == last:
        return f"{first:g}"
    return f"{first:g} – {last:g}"


def columns_of_time(buckets: Sequence[int], bucket_seconds: float, most: int) -> list[tuple[float, float]]:
    """(seconds since the start, samples a second) of at most `most` columns, neighbours merged."""
    if not buckets or bucket_seconds <= 0:
        return []
    merged = -(-len(buckets) // most)
    parts = [buckets[i : i + merged] for i in range(0, len(buckets), merged)]
    return [
        (i * merged * bucket_seconds, sum(part) / (len(part) * bucket_seconds))
        for i, part in enumerate(parts)
    ]


def thousands(value: float) -> str:
    """1234567 -> '1,234,567'."""
    if float(value).is_integer() or abs(value) >= 1000:
        return f"{value:,.0f}"
    return f"{value:,.1f}"


def human_seconds(value: float) -> str:
    """3725 -> '1 h 2 min'."""
    if value < 60:
        return f"{value:.1f} s"
    minutes, seconds = divmod(round(value), 60)
    if minutes < 60:
        return f"{minutes} min {seconds} s"
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min"
