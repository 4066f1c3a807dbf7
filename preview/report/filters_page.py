"""Tried filters as one self-contained page: it needs no other file and asks no server."""

from __future__ import annotations

import base64
from dataclasses import dataclass

import numpy as np
import yaml

from pipelines.trial.result import Example, Trial, Tried
from preview.report.page import bars, make_environment
from preview.report.scores import counts_in, histogram_of
from schemas.errors import ConfigError
from schemas.text import one_line
from storage.write import write_bytes

TEXT_LIMIT = 160  # characters of a caption
SPARKS = "▁▂▃▄▅▆▇█"


@dataclass(frozen=True)
class Stacked:
    """A bar of a histogram, in two parts."""

    label: str
    kept: int
    dropped: int
    kept_percent: float  # of the longest bar, 0 to 100
    dropped_percent: float


@dataclass(frozen=True)
class Card:
    """One example as the page shows it."""

    score: str
    caption: str
    key: str
    refusal: str
    picture: str  # base64 JPEG, or ""
    original: str  # of the picture that it repeats, or ""


def write_page(path: str, trial: Trial, *, source: str) -> None:
    """Write the page, whole or not at all. Raises ConfigError if it cannot be written.

    `source` says what was read.
    """
    template = make_environment().get_template("filters.html.j2")
    config = yaml.safe_dump({"filters": list(trial.values)}, sort_keys=False, allow_unicode=True, width=100)
    filters = [(tried, stacked(tried), _cards(tried), cuts_in_words(tried)) for tried in trial.filters]
    page = template.render(trial=trial, source=source, config=config, filters=filters)
    try:
        write_bytes(path, page.encode("utf-8", "replace"))
    except OSError as error:
        raise ConfigError(f"output {path} cannot be written: {one_line(error)}") from None


def stacked(tried: Tried) -> list[Stacked]:
    """The histogram of a filter's scores; [] without scores."""
    histogram = histogram_of(tried.label, tried.scores)
    rows = bars(histogram)
    if not rows:
        return []
    first = next(place for place, count in enumerate(histogram.counts) if count)
    dropped = counts_in(histogram, tried.scores[tried.drops])[first : first + len(rows)]
    most = max(histogram.counts)
    return [
        Stacked(bar.label, bar.count - count, count, 100 * (bar.count - count) / most, 100 * count / most)
        for bar, count in zip(rows, dropped.tolist(), strict=True)
    ]


def cuts_in_words(tried: Tried) -> str:
    """Other thresholds and the share that each drops, ``min 97.1 drops 1.2 %; min 173 drops 5.0 %``.

    "" if there is none that drops some of the samples and keeps some.
    """
    side, sign = "min", 1.0
    if tried.low is None:  # a threshold `max` of the scores is a `min` of the negative ones
        side, sign = "max", -1.0
    scores = sign * tried.scores
    lowest = np.unique(scores)[:2]
    found: dict[float, float] = {}
    for cut in tried.cuts.values():
        threshold = float(f"{sign * cut:.4g}")  # as it is shown
        if np.all(scores == np.round(scores)):
            threshold = float(np.ceil(threshold))
        threshold = max(threshold, float(lowest[-1]))
        share = float(np.mean(scores < threshold))
        if 0 < share < 1:
            found[sign * threshold] = share
    return "; ".join(
        f"{side} {threshold:.4g} drops {100 * share:.1f}\u00a0%" for threshold, share in found.items()
    )


def sparkline(tried: Tried) -> str:
    """The same histogram as a character per bar."""
    counts = np.array([bar.kept + bar.dropped for bar in stacked(tried)])
    if not len(counts):
        return ""
    heights = np.ceil(counts / counts.max() * len(SPARKS)).astype(int)
    return "".join(SPARKS[height - 1] if height else " " for height in heights)


def _cards(tried: Tried) -> tuple[list[Card], list[Card]]:
    """The examples that the filter keeps, and those that it drops."""
    return [_card(e) for e in tried.nearest_kept], [_card(e) for e in tried.nearest_dropped]


def _card(example: Example) -> Card:
    return Card(
        score="" if example.score is None else f"{example.score:.4g}",
        caption=example.caption[:TEXT_LIMIT],
        key=example.key,
        refusal=example.refusal,
        picture=_base64(example.thumbnail),
        original=_base64(example.original),
    )


def _base64(data: bytes) -> str:
    return base64.b64encode(data).decode("ascii")
