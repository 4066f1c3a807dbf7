from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from transforms.rendering.kernels import FIVE_TAPS_UP_TO, THREE_TAPS_UP_TO, kernel


@given(st.floats(0, 40))
def test_a_kernel_has_the_variance_asked_for(variance):
    weights = np.array(kernel(variance))
    offsets = np.arange(len(weights)) - len(weights) // 2
    assert weights.sum() == 256
    assert (weights == weights[::-1]).all()
    assert weights.min() >= 0
    assert (weights % 2 == 0).all()
    assert (weights * offsets**2).sum() / 256 == pytest.approx(variance, abs=0.02 + 0.15 * variance)


@pytest.mark.parametrize(
    ("variance", "weights"),
    [
        (0.0, (256,)),
        (0.25, (32, 192, 32)),
        (THREE_TAPS_UP_TO, (86, 84, 86)),
        (FIVE_TAPS_UP_TO, (22, 62, 88, 62, 22)),
    ],
)
def test_known_kernels(variance, weights):
    assert kernel(variance) == weights
