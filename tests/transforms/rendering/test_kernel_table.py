"""Tests of `transforms.rendering.kernel_table`."""

from __future__ import annotations

import numpy as np

from transforms.rendering.kernel_table import kernel_table
from transforms.rendering.kernels import kernel


def test_a_table_holds_the_single_kernels() -> None:
    rng = np.random.default_rng(0)
    variances = np.concatenate([rng.uniform(0, 4, (400, 2)), rng.uniform(0, 40, (40, 2)), [[0.0, 2 / 3]]])
    table_L2K, radii_L2 = kernel_table(variances)
    middle = table_L2K.shape[2] // 2
    rows = table_L2K.reshape(-1, 2 * middle + 1)
    for variance, weights, radius in zip(variances.ravel(), rows, radii_L2.ravel(), strict=True):
        assert tuple(weights[middle - radius : middle + radius + 1].tolist()) == kernel(float(variance))
        assert weights.sum() == 256
