"""Fourier transform, logarithm and power that give the same bits on every processor.

Matrix products are over whole numbers below 2**53, which float64 holds exactly, so the order of a sum does
not matter. Everything else is +, -, *, / and square roots of one element at a time, which IEEE 754 rounds in
one way alone. Library versions of log and exp differ between processors in the last bit.
"""

from __future__ import annotations

import math
from functools import cache

import numpy as np

TWIDDLE = 2.0**14  # cosines and sines are multiples of 1/TWIDDLE
_LOG_TERMS, _EXP_TERMS = 10, 14  # of the series, for the precision of float64
_SQRT_HALF = 0.7071067811865476
_LN2 = 0.6931471805599453


@cache
def _waves(side: int) -> tuple[np.ndarray, np.ndarray]:
    """Return cos and sin of 2 pi j k / side, times TWIDDLE, rounded to whole numbers: float64 [side,side]."""
    turns = np.outer(np.arange(side), np.arange(side)) % side
    angles = [2.0 * math.pi * turn / side for turn in range(side)]
    cosines = np.array([float(round(TWIDDLE * math.cos(angle))) for angle in angles])
    sines = np.array([float(round(TWIDDLE * math.sin(angle))) for angle in angles])
    return cosines[turns], sines[turns]


def transform(real_NN: np.ndarray, imaginary_NN: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the 2D discrete Fourier transform of whole numbers, real and imaginary part, times TWIDDLE**2.

    Exact while side**2 times the largest number stays below 2**24.
    """
    cosines, sines = _waves(len(real_NN))
    down_real = cosines @ real_NN + sines @ imaginary_NN
    down_imaginary = cosines @ imaginary_NN - sines @ real_NN
    return down_real @ cosines + down_imaginary @ sines, down_imaginary @ cosines - down_real @ sines


def log2(values: np.ndarray) -> np.ndarray:
    """Return the logarithm to base 2 of positive numbers, by the series of artanh."""
    mantissa, exponent = np.frexp(values)
    ratio = (mantissa - _SQRT_HALF) / (mantissa + _SQRT_HALF)
    square = ratio * ratio
    series = np.zeros_like(ratio)
    for term in reversed(range(_LOG_TERMS)):
        series = series * square + 1.0 / (2 * term + 1)
    return 2.0 / _LN2 * ratio * series + exponent - 0.5


def exp2(values: np.ndarray) -> np.ndarray:
    """Return 2 to the power of numbers, by the series of exp."""
    whole = np.rint(values)
    rest = (values - whole) * _LN2
    series = np.ones_like(rest)
    for term in reversed(range(1, _EXP_TERMS)):
        series = series * rest / term + 1.0
    return np.ldexp(series, whole.astype(np.int64))
