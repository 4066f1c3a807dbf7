"""The kernels of `kernels.kernel`, for the layers of a whole batch at once."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from transforms.rendering.kernels import FIVE_TAPS_UP_TO, KERNEL_SUM, SIGMAS, THREE_TAPS_UP_TO

TRIED = np.array(SIGMAS)


def kernel_table(variance_L2: NDArray[np.float64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the kernels [L,2,K], centred and padded with zeros, and their radii [L,2]."""
    variances = variance_L2.ravel()
    radii = _radii(variances)
    widest = int(radii.max(initial=0))
    weights = np.zeros((len(variances), 2 * widest + 1), np.int64)
    for radius in np.unique(radii[radii > 0]).tolist():
        rows = np.flatnonzero(radii == radius)
        sides = _sides(variances[rows], radius)
        weights[rows, widest + 1 : widest + 1 + radius] = sides
        weights[rows, widest - radius : widest] = sides[:, ::-1]
    weights[:, widest] = KERNEL_SUM - weights.sum(axis=1)
    return weights.reshape(*variance_L2.shape, -1), radii.reshape(variance_L2.shape)


def _radii(variances: NDArray[np.float64]) -> NDArray[np.int64]:
    three = np.rint(KERNEL_SUM * variances / 4) > 0
    wide = np.where(variances <= FIVE_TAPS_UP_TO, 2, np.ceil(2.5 * np.sqrt(variances)))
    radii: NDArray[np.int64] = np.where(variances <= THREE_TAPS_UP_TO, three, wide).astype(np.int64)
    return radii


def _sides(variances: NDArray[np.float64], radius: int) -> NDArray[np.int64]:
    """Return the weights right of the middle, [n,radius]."""
    if radius == 1:
        return (2 * np.rint(KERNEL_SUM * variances / 4)).astype(np.int64)[:, None]
    # The variance grows with sigma: find the two neighbours by bisection, then take the nearer one.
    below = np.zeros(len(variances), np.intp)
    above = np.full(len(variances), len(SIGMAS) - 1)
    while (above - below > 1).any():
        middle = (below + above) // 2
        too_wide = _gaussians(variances, middle, radius)[1] > variances
        below, above = np.where(too_wide, below, middle), np.where(too_wide, middle, above)
    (half_low, low), (half_high, high) = (_gaussians(variances, index, radius) for index in (below, above))
    nearer_low = np.abs(low - variances) <= np.abs(high - variances)
    half_NR = np.where(nearer_low[:, None], half_low, half_high)
    whole_NR = KERNEL_SUM * half_NR / (1 + 2 * half_NR.sum(axis=1, keepdims=True))
    return (2 * np.rint(whole_NR / 2)).astype(np.int64)


def _gaussians(
    variances: NDArray[np.float64], index: NDArray[np.intp], radius: int
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the right halves [n,radius] of Gaussians cut off at `radius`, and their variances [n].

    Their middle is 1.
    """
    squares = np.arange(1, radius + 1) ** 2
    sigmas_N1 = (TRIED[index] * np.sqrt(variances))[:, None]
    half_NR = np.exp(-squares / (2 * sigmas_N1**2))
    return half_NR, 2 * (half_NR * squares).sum(axis=1) / (1 + 2 * half_NR.sum(axis=1))
