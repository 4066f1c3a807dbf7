"""Small symmetric blur kernels in whole 256ths.

A clip needs few of them, of few weights each. Python's own numbers make them faster than arrays do.
"""

from __future__ import annotations

import math

KERNEL_SUM = 256
# Added before rounding. Weights are even, so no sum is then exactly between two levels, where OpenCV rounds
# either way.
ROUND_UP = KERNEL_SUM**-2
THREE_TAPS_UP_TO = 2 / 3  # pixels² that three taps can have without a dent in the middle
FIVE_TAPS_UP_TO = 1.2
SIGMAS = [0.5 + 0.005 * step for step in range(201)]  # of the root of the variance, for a truncated Gaussian


def kernel(variance: float) -> tuple[int, ...]:
    """Return symmetric even weights in 256ths, of about this variance in pixels².

    Up to a variance of 2/3 they are at most three taps, above it a Gaussian.
    """
    if variance <= THREE_TAPS_UP_TO:
        side = 2 * round(KERNEL_SUM * variance / 4)
        if side == 0:
            return (KERNEL_SUM,)
        return (side, KERNEL_SUM - 2 * side, side)
    radius = 2
    if variance > FIVE_TAPS_UP_TO:
        radius = math.ceil(2.5 * math.sqrt(variance))
    half = _gaussian(variance, radius)
    total = 1 + 2 * math.fsum(half)
    sides = [2 * round(KERNEL_SUM * weight / total / 2) for weight in half]
    return (*reversed(sides), KERNEL_SUM - 2 * sum(sides), *sides)


def _gaussian(variance: float, radius: int) -> list[float]:
    """Return the right half of the Gaussian, cut off at `radius`, whose variance is nearest to this one."""
    root = math.sqrt(variance)
    # The variance grows with sigma: find the two neighbours by bisection, then take the nearer one.
    below, above = 0, len(SIGMAS) - 1
    while above - below > 1:
        middle = (below + above) // 2
        if _variance(_half(SIGMAS[middle] * root, radius)) > variance:
            above = middle
        else:
            below = middle
    halves = (_half(SIGMAS[index] * root, radius) for index in (below, above))
    return min(halves, key=lambda half: abs(_variance(half) - variance))


def _half(sigma: float, radius: int) -> list[float]:
    """Return the weights right of a middle of 1, of a Gaussian cut off at `radius`."""
    return [math.exp(-(at**2) / (2 * sigma * sigma)) for at in range(1, radius + 1)]


def _variance(half: list[float]) -> float:
    weighted = math.fsum(weight * at**2 for at, weight in enumerate(half, 1))
    return 2 * weighted / (1 + 2 * math.fsum(half))
