"""Saliency by the spectral residual (Hou and Zhang, Saliency detection: a spectral residual approach, 2007).

The log amplitude of a picture's spectrum is smooth in most pictures. Its difference from its local mean
belongs to what differs from its surroundings. The map is computed on a grey copy of 64x64, as in the paper,
and has the same bits on every processor (see `transforms.subject.exact`).
"""

from __future__ import annotations

from functools import cache

import numpy as np

from transforms.subject.exact import TWIDDLE, exp2, log2, transform

SIDE = 64  # pixels of the grey copy's sides; the paper's choice
SALIENCY_NEEDS = (2 * SIDE, 2 * SIDE)  # pixels that a picture decoded at a reduced scale must keep
ABOVE_MEAN = 3.0  # what exceeds the mean so many times is the subject; the paper's choice
_SMOOTHING = (4, 14, 43, 103, 192, 279, 316, 279, 192, 103, 43, 14, 4)  # a Gaussian of 2 cells
_MAX_RESIDUAL = 6.0  # in log2: beyond it an amplitude would leave the whole numbers


def saliency(image_HWC: np.ndarray) -> np.ndarray | None:
    """Return the weight of each cell of a 64x64 grid over a picture.

    The weights are whole numbers in float64, and 0 outside the subject.

    `image_HWC` is uint8 RGB. None for a picture without contrast.
    """
    grey_NN = small_grey(image_HWC)
    grey_NN = np.rint(grey_NN - grey_NN.mean())  # the sum of whole numbers is exact, in any order
    if not grey_NN.any():
        return None
    map_NN = _spectral_residual(grey_NN)
    subject_NN = np.where(map_NN * map_NN.size > ABOVE_MEAN * map_NN.sum(), map_NN, 0.0)
    if subject_NN.any():
        return subject_NN
    return None


def small_grey(image_HWC: np.ndarray) -> np.ndarray:
    """Return the mean grey level of each cell in quarters of a level: whole numbers in float64 [64,64]."""
    height, width = image_HWC.shape[:2]
    rows, columns = np.arange(SIDE) * height // SIDE, np.arange(SIDE) * width // SIDE
    red, green, blue = (image_HWC[..., channel].astype(np.int32) for channel in range(3))
    grey_HW = 299 * red + 587 * green + 114 * blue
    by_row = np.add.reduceat(grey_HW, rows, axis=0, dtype=np.int64)
    sums_NN = np.add.reduceat(by_row, columns, axis=1)
    down = np.maximum(np.diff(rows, append=height), 1)
    across = np.maximum(np.diff(columns, append=width), 1)
    quarters_NN: np.ndarray = 4 * sums_NN // (1000 * down[:, None] * across[None, :])
    return quarters_NN.astype(np.float64)


def _spectral_residual(grey_NN: np.ndarray) -> np.ndarray:
    """Return the smoothed map of whole numbers."""
    real, imaginary = transform(grey_NN, np.zeros_like(grey_NN))
    power = real * real + imaginary * imaginary
    log_amplitude = 0.5 * log2(power + TWIDDLE**2)  # the floor is far below one grey level
    residual = np.clip(log_amplitude - _local_mean(log_amplitude), -_MAX_RESIDUAL, _MAX_RESIDUAL)
    scale = exp2(residual) * 2.0**5 / np.sqrt(np.maximum(power, 1.0))
    back, _ = transform(np.rint(scale * real), np.rint(-scale * imaginary))
    energy = back * back
    levels = np.rint(energy / np.maximum(energy.max(), 1.0) * 2.0**16)
    smoothing = _blur()
    smooth: np.ndarray = smoothing @ levels @ smoothing.T
    return smooth


def _local_mean(values_NN: np.ndarray) -> np.ndarray:
    """Return the mean over 3x3; a spectrum is periodic."""
    down = values_NN + np.roll(values_NN, 1, 0) + np.roll(values_NN, -1, 0)
    return (down + np.roll(down, 1, 1) + np.roll(down, -1, 1)) / 9.0


@cache
def _blur() -> np.ndarray:
    """Return the matrix that smooths along one axis; nothing comes in over the border."""
    reach = len(_SMOOTHING) // 2
    matrix = np.zeros((SIDE, SIDE))
    for offset, weight in enumerate(_SMOOTHING, start=-reach):
        matrix += weight * np.eye(SIDE, k=offset)
    return matrix
