"""Histograms of the scores of filters, over the clips and the inputs that were dropped."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace

import numpy as np

from preview.report.summary import Histogram
from schemas.manifest import FAILURES_FILE, SAMPLES_FILE
from storage.scores import filter_of, scores_of
from storage.tables import has_table, iter_batches

MOST_BARS = 24
_STEPS = (1, 1.5, 2, 3, 5, 7)
_EVEN = np.round(np.linspace(-1, 1, 101), 2)  # for shares and similarities
_WIDE = np.unique([0.0, *(float(f"{step}e{power}") for power in range(-2, 9) for step in _STEPS)])
_WHOLE = np.unique([*range(21), *(step * 10**power for power in range(1, 9) for step in _STEPS)])


@dataclass
class _Bins:
    """The scores of one filter, counted in each kind of bins.

    The range of a score is unknown until the last row, so that one kind is chosen only then.
    """

    even: np.ndarray = field(default_factory=lambda: np.zeros(len(_EVEN), np.int64))
    wide: np.ndarray = field(default_factory=lambda: np.zeros(len(_WIDE), np.int64))
    whole: np.ndarray = field(default_factory=lambda: np.zeros(len(_WHOLE), np.int64))
    within_one: bool = True
    all_whole: bool = True

    def add(self, values: np.ndarray) -> None:
        """Count finite scores float64 [n]."""
        self.within_one &= bool((np.abs(values) <= 1).all())
        self.all_whole &= bool((values == np.round(values)).all())
        self.even += _binned(values, _EVEN)
        self.wide += _binned(values, _WIDE)
        self.whole += _binned(values, _WHOLE)

    def histogram(self, name: str) -> Histogram:
        """The histogram of the bins that fit the scores."""
        if self.within_one:
            return _merged(name, _EVEN, self.even)
        if self.all_whole:
            return replace(_merged(name, _WHOLE, self.whole), whole=True)
        return _merged(name, _WIDE, self.wide)


def score_histograms(output: str) -> tuple[Histogram, ...]:
    """One histogram per filter, in alphabetical order; () for an output without scores."""
    found: dict[str, _Bins] = defaultdict(_Bins)
    for name, values in _all_scores(output):
        found[name].add(values[np.isfinite(values)])
    return tuple(found[name].histogram(name) for name in sorted(found))


def histogram_of(name: str, values: np.ndarray) -> Histogram:
    """The histogram of scores float64 [n] of one filter, as the report shows them."""
    bins = _Bins()
    bins.add(values)
    return bins.histogram(name)


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
