"""Paired differences between arms, with bootstrap intervals over seeds and queries."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

LEVEL = 95.0  # percent of an interval


@dataclass(frozen=True)
class Interval:
    """A mean and its interval."""

    mean: float
    low: float
    high: float


def bootstrap(values_SQ: np.ndarray, groups_Q: np.ndarray, *, times: int, seed: int = 0) -> Interval:
    """Return the mean of values [seeds, queries] and its interval.

    Seeds and groups of queries are drawn with replacement, each on its own. Queries over one picture depend
    on each other, so they are drawn together. With one seed, only queries are drawn. Source: Owen, "The
    pigeonhole bootstrap", Annals of Applied Statistics 2007.
    """
    rng = np.random.default_rng(seed)
    seeds = len(values_SQ)
    names, numbers = np.unique(groups_Q, return_inverse=True)
    sums_SG = np.stack([np.bincount(numbers, weights=row, minlength=len(names)) for row in values_SQ])
    sizes_G = np.bincount(numbers, minlength=len(names)).astype(np.float64)
    draws_BS = rng.multinomial(seeds, np.full(seeds, 1 / seeds), size=times).astype(np.float64)
    draws_BG = rng.multinomial(len(names), np.full(len(names), 1 / len(names)), size=times).astype(np.float64)
    totals_B = ((draws_BS @ sums_SG) * draws_BG).sum(axis=1)
    means_B = totals_B / (seeds * (draws_BG @ sizes_G))
    tail = (100.0 - LEVEL) / 2
    low, high = np.percentile(means_B, [tail, 100.0 - tail])
    return Interval(float(values_SQ.mean()), float(low), float(high))
