"""Histograms of the scores of filters, over the clips and the inputs that were dropped."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping

import numpy as np

from preview.report.summary import Histogram
from schemas.manifest import FAILURES_FILE, SAMPLES_FILE
from storage.scores import filter_of, scores_of
from storage.tables import has_table, iter_batches

MOST_BARS = 24
# The range of a score is unknown until the last row: both kinds of bins are counted, and one is shown.
_EVEN = np.round(np.linspace(-1, 1, 101), 2)  # for shares and similarities
_WIDE = np.unique(
    [0.0, *(float(f"{step}e{power}") for power in range(-2, 9) for step in (1, 1.5, 2, 3, 5, 7))]
)


def score_histograms(output: str) -> tuple[Histogram, ...]:
    """One histogram per filter, in alphabetical order; () for an output without scores."""
    even: dict[str, np.ndarray] = {}
    wide: dict[str, np.ndarray] = {}
    for name, values in _all_scores(output):
        known = values[np.isfinite(values)]
        outside = float(np.abs(known).max(initial=0)) > 1
        if outside:
            even[name] = np.full(len(_EVEN), -1)  # not to be shown
        elif name not in even or even[name][0] >= 0:
            even[name] = even.get(name, 0) + _binned(known, _EVEN)
        wide[name] = wide.get(name, 0) + _binned(known, _WIDE)
    found = []
    for name in sorted(wide):
        if even[name][0] < 0:
            found.append(_merged(name, _WIDE, wide[name]))
        else:
            found.append(_merged(name, _EVEN, even[name]))
    return tuple(found)


def histogram_of(name: str, values: np.ndarray) -> Histogram:
    """The histogram of scores float64 [n] of one filter, as the report shows them."""
    edges = _EVEN
    if float(np.abs(values).max(initial=0)) > 1:
        edges = _WIDE
    return _merged(name, edges, _binned(values, edges))


def counts_in(histogram: Histogram, values: np.ndarray) -> np.ndarray:
    """How many of some scores each bar of a histogram holds, int64 [bars]."""
    return _binned(values, np.asarray(histogram.edges))


def dropped_by_filter(output: str) -> Mapping[str, int]:
    """The number of inputs that each filter dropped."""
    counts: Counter[str] = Counter()
    if has_table(output, FAILURES_FILE):
        for batch in iter_batches(output, FAILURES_FILE, columns=["reason", "detail"]):
            for reason, detail in zip(batch["reason"].to_pylist(), batch["detail"].to_pylist(), strict=True):
                if name := filter_of(reason, detail):
                    counts[name] += 1
    return counts


def _all_scores(output: str) -> Iterator[tuple[str, np.ndarray]]:
    for table in (SAMPLES_FILE, FAILURES_FILE):
        if has_table(output, table):
            for batch in iter_batches(output, table, columns=["scores"]):
                yield from scores_of(batch).items()


def _binned(values: np.ndarray, edges: np.ndarray) -> np.ndarray:
    """Counts between lower edges; the last bin holds everything above, the first everything below."""
    where = np.searchsorted(edges, values + 1e-12, side="right") - 1
    return np.bincount(where.clip(0), minlength=len(edges))


def _merged(name: str, edges: np.ndarray, counts: np.ndarray) -> Histogram:
    """The filled part of a histogram, its neighbours merged until it has at most `MOST_BARS` bars."""
    filled = np.flatnonzero(counts)
    first = last = 0
    if len(filled):
        first, last = int(filled[0]), int(filled[-1])
    merged = -(-(last - first + 1) // MOST_BARS)
    zero = int(np.searchsorted(edges, 0.0))
    first = max(0, first - (first - zero) % merged)  # so that 0 stays an edge
    starts = np.arange(first, last + 1, merged)
    sums = np.add.reduceat(counts[: last + 1], starts)
    end = starts[-1] + merged
    shown, of_bins = edges[starts].tolist(), sums.tolist()
    if end < len(edges):
        shown.append(float(edges[end]))
        of_bins.append(0)
    return Histogram(name, tuple(shown), tuple(of_bins))
