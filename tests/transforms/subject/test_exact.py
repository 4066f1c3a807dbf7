"""The transform, logarithm and power: the values of numpy, and the same bits in any order of summing."""

import numpy as np

from transforms.subject.exact import TWIDDLE, exp2, log2, transform


def test_the_transform_is_the_fourier_transform():
    rng = np.random.default_rng(0)
    real, imaginary = rng.integers(-1020, 1021, (2, 64, 64)).astype(float)
    got_real, got_imaginary = transform(real, imaginary)
    wanted = np.fft.fft2(real + 1j * imaginary)
    got = (got_real + 1j * got_imaginary) / TWIDDLE**2
    assert np.abs(got - wanted).max() < 1e-4 * np.abs(wanted).max()


def test_the_transform_is_exact_so_that_the_order_of_a_sum_does_not_matter():
    grey = np.random.default_rng(1).integers(-1020, 1021, (64, 64))
    real, imaginary = transform(grey.astype(float), np.zeros((64, 64)))
    assert np.array_equal(real, np.rint(real))
    assert max(np.abs(real).max(), np.abs(imaginary).max()) < 2**53
    angles = 2 * np.pi * (np.outer(np.arange(64), np.arange(64)) % 64) / 64
    waves = (
        np.rint(TWIDDLE * np.cos(angles)).astype(np.int64),
        np.rint(TWIDDLE * np.sin(angles)).astype(np.int64),
    )
    in_integers = waves[0] @ grey @ waves[0] - waves[1] @ grey @ waves[1]
    assert np.array_equal(real, in_integers)


def test_log2_and_exp2_are_those_of_numpy_to_the_last_digits():
    values = np.random.default_rng(2).random(2000) * 1e25 + 1e-3
    assert np.abs(log2(values) - np.log2(values)).max() < 1e-12
    exponents = np.linspace(-6, 6, 999)
    assert np.abs(exp2(exponents) / 2**exponents - 1).max() < 1e-14
    assert exp2(np.array([3.0, -2.0, 0.0])).tolist() == [8.0, 0.25, 1.0]
