"""Which set each sample of a run comes from, as a function of the sample's number alone.

After any number of samples each set has its share to within one sample. The order is that of the chairman
assignment problem (Tijdeman, The chairman assignment problem, 1980), which keeps this bound for any number of
sets. It repeats after as many samples as the weights have parts, so any place of it can be looked up.
"""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from math import gcd, lcm

import numpy as np

MAX_PERIOD = 1000  # samples; weights that need more are rounded to this many parts


class Turns:
    """The order of sets by weight."""

    def __init__(self, weights: Sequence[float]) -> None:
        """`weights` are above 0, relative to each other."""
        self._parts = np.array(whole_parts(weights), np.int64)
        period = int(self._parts.sum())
        order = _order(self._parts.tolist())
        # [period + 1, sets]: samples of each set among the first of a period
        self._before = np.zeros((period + 1, len(weights)), np.int64)
        self._before[np.arange(1, period + 1), order] = 1
        self._before = self._before.cumsum(0)

    @property
    def shares(self) -> list[float]:
        """The share of each set; they add up to 1."""
        return (self._parts / self._parts.sum()).tolist()

    def counts(self, first: int, number: int) -> list[int]:
        """Return how many of the samples `first` to `first + number - 1` come from each set."""
        return (self._until(first + number) - self._until(first)).tolist()

    def _until(self, samples: int) -> np.ndarray:
        periods, rest = divmod(samples, len(self._before) - 1)
        until: np.ndarray = periods * self._parts + self._before[rest]
        return until


def whole_parts(weights: Sequence[float]) -> list[int]:
    """Return whole numbers in the ratio of the weights: exact if they add up to at most MAX_PERIOD."""
    fractions = [Fraction(str(weight)) for weight in weights]
    scale = lcm(*(fraction.denominator for fraction in fractions))
    exact = [int(fraction * scale) for fraction in fractions]
    exact = [part // gcd(*exact) for part in exact]
    if sum(exact) <= MAX_PERIOD:
        return exact
    total = sum(fractions)
    return [max(round(fraction / total * MAX_PERIOD), 1) for fraction in fractions]


def _order(parts: list[int]) -> list[int]:
    """Return the set of each sample of a period.

    With K sets, a set may have a sample when it is behind by 1/(2K-2) samples. Of those that may, the one
    that would be a sample behind first has it.
    """
    sets, period = len(parts), sum(parts)
    if sets == 1:
        return [0] * period
    slack = Fraction(1, 2 * sets - 2)
    given = [0] * sets
    order = []
    for number in range(1, period + 1):
        behind = [Fraction(part * number, period) - had for part, had in zip(parts, given, strict=True)]
        due = [index for index in range(sets) if behind[index] >= slack]
        chosen = min(due, key=lambda index: (1 - slack - behind[index]) / parts[index])
        given[chosen] += 1
        order.append(chosen)
    return order
