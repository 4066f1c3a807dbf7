from __future__ import annotations

import numpy as np
import pytest

from transforms.rendering.homography import checked_quads, homographies

FULL = np.array([[0.0, 0.0], [1.0, 0.0], [1.0, 1.0], [0.0, 1.0]])
OUTPUT = np.array([[0, 0, 1], [320, 0, 1], [320, 224, 1], [0, 224, 1]], float)


def corners(matrix_33):
    points = OUTPUT @ matrix_33.T
    return points[:, :2] / points[:, 2:]


def test_the_outputs_corners_go_to_the_quads():
    rng = np.random.default_rng(0)
    quads = 0.15 + 0.7 * FULL + rng.uniform(-0.12, 0.12, (200, 4, 2))
    for quad, matrix_33 in zip(
        quads, homographies(checked_quads(quads), (400, 600), (224, 320)), strict=True
    ):
        np.testing.assert_allclose(corners(matrix_33), quad * (600, 400), atol=1e-9)


def test_the_whole_picture_at_its_own_size_is_the_identity_exactly():
    np.testing.assert_array_equal(homographies(FULL[None], (224, 320), (224, 320))[0], np.eye(3))


def test_a_turned_view_in_float32_is_affine():
    angles = np.linspace(0, 2 * np.pi, 50)
    turn = np.stack(
        [np.stack([np.cos(angles), -np.sin(angles)], -1), np.stack([np.sin(angles), np.cos(angles)], -1)], 1
    )
    quads = (((FULL - 0.5) * 0.6) @ turn.transpose(0, 2, 1) + 0.5).astype(np.float32)
    matrices_T33 = homographies(checked_quads(quads), (4000, 4000), (224, 320))
    assert (matrices_T33[:, 2] == (0, 0, 1)).all()
    for quad, matrix_33 in zip(quads, matrices_T33, strict=True):
        np.testing.assert_allclose(corners(matrix_33), quad.astype(float) * 4000, atol=1e-3)


def test_a_tilted_view_foreshortens():
    """The far side is seen smaller: the output's middle looks beyond the quad's middle, at where the
    diagonals cross.
    """
    quad = np.array([[0.25, 0.0], [0.75, 0.0], [1.0, 1.0], [0.0, 1.0]])
    matrix_33 = homographies(quad[None], (1, 1), (224, 320))[0]
    x, y, z = matrix_33 @ (160, 112, 1)
    assert (x / z, y / z) == pytest.approx((0.5, 1 / 3))


@pytest.mark.parametrize(
    ("quads", "message"),
    [
        (FULL, r"\[T, 4, 2\]"),
        (FULL[None] + np.inf, "finite"),
        (FULL[None] - 0.1, r"corners lie between -0.1 and 0.9, but must be in \[0, 1\]"),
        (FULL[None, [0, 2, 1, 3]], "convex"),
        (FULL[None, ::-1], "clockwise"),
        (FULL[None] * 0, "area"),
    ],
)
def test_quads_that_cannot_be_used(quads, message):
    with pytest.raises(ValueError, match=message):
        checked_quads(quads)


def test_rounding_at_the_rim_is_forgiven():
    checked_quads((FULL[None] * (1 + 1e-7)).astype(np.float32))
