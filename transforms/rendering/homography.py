"""Map output pixels to picture pixels: one homography per frame, in closed form and float64.

Convention: x points right, y points down, and integers are pixel edges, not pixel centres. The output is the
rectangle from (0, 0) to (w, h), and the picture spans (0, 0) to (W, H). The centre of the first pixel is
(0.5, 0.5). `layers.index_matrices` moves these maps to array indices, where the centre of the first pixel is
(0, 0); OpenCV and grid_sample count that way.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

# float32 corners of an exact parallelogram miss it by up to 2.4e-7 of the picture. 1e-6 of 4000 pixels is
# 0.004 pixel.
PARALLELOGRAM_TOLERANCE = 1e-6
# A corner this far outside comes from rounding. The frame then shows the edge pixel, repeated.
OUTSIDE_TOLERANCE = 1e-5
NEXT_CORNER = np.array([1, 2, 3, 0])


def homographies(
    quads_F42: NDArray[np.float64], picture: ArrayLike, size: tuple[int, int]
) -> NDArray[np.float64]:
    """Return [F,3,3] float64 that map output pixel edges to picture pixel edges.

    `quads_F42` are views in fractions of the picture and must have passed `checked_quads`. `picture` is (H,
    W) in pixels, one for all frames or one per frame ([F,2]). `size` is (h, w) of a frame.

    A parallelogram (pan, zoom, rotation) gives an exactly affine matrix, whose last row is (0, 0, 1). Any
    other convex quad gives the projective map of the square to it (Heckbert, Fundamentals of Texture Mapping
    and Image Warping, 1989, section 2.2.3).
    """
    extent_2 = np.asarray(picture, np.float64)[..., ::-1]
    corners_F42 = quads_F42 * extent_2[..., None, :]
    p0, p1, p2, p3 = corners_F42.transpose(1, 0, 2)
    h, w = size
    twist = p0 - p1 + p2 - p3
    flat = (np.abs(twist) <= PARALLELOGRAM_TOLERANCE * extent_2).all(axis=-1)
    matrices = np.zeros((len(quads_F42), 3, 3))
    matrices[:, 2, 2] = 1.0
    matrices[:, :2, 2] = p0
    # A parallelogram has two estimates of each side. Their mean spreads the float32 rounding of the corners.
    sides = double_sides(corners_F42) / 2
    if not flat.all():
        e1, e2 = p1 - p2, p3 - p2
        area = _cross(e1, e2)
        g = np.where(flat, 0.0, _cross(twist, e2) / area)[:, None]
        k = np.where(flat, 0.0, _cross(e1, twist) / area)[:, None]
        sides[:, 0] = np.where(flat[:, None], sides[:, 0], p1 - p0 + g * p1)
        sides[:, 1] = np.where(flat[:, None], sides[:, 1], p3 - p0 + k * p3)
        matrices[:, 2, 0] = g[:, 0] / w
        matrices[:, 2, 1] = k[:, 0] / h
    matrices[:, :2, :2] = (sides / ((w,), (h,))).transpose(0, 2, 1)
    return matrices


def double_sides(corners_F42: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return [F,2,2]: the sums of opposite sides, of those that run across and of those that run down."""
    return corners_F42[:, 1::2] - corners_F42[:, :1] + corners_F42[:, 2:3] - corners_F42[:, 3::-2]


def checked_quads(quads_T42: NDArray[np.floating]) -> NDArray[np.float64]:
    """Return the quads as float64. Raise a ValueError that names the fault if they cannot be rendered."""
    quads = np.asarray(quads_T42, dtype=np.float64)
    if quads.ndim != 3 or quads.shape[1:] != (4, 2) or len(quads) == 0:
        raise ValueError(f"quads: the shape must be [T, 4, 2] with T >= 1, got {list(quads.shape)}")
    low, high = quads.min(), quads.max()
    if not (low >= -OUTSIDE_TOLERANCE and high <= 1 + OUTSIDE_TOLERANCE):  # neither holds for NaN
        if not np.isfinite(quads).all():
            raise ValueError("quads: every corner must be a finite number")
        raise ValueError(
            f"quads: corners lie between {low:.6g} and {high:.6g}, but must be in [0, 1]: "
            "a view may not leave the picture"
        )
    sides = quads.take(NEXT_CORNER, axis=1) - quads
    if _cross(sides, sides.take(NEXT_CORNER, axis=1)).min() <= 0:
        raise ValueError(
            "quads: every view must be convex, with an area, its corners clockwise from the top-left one"
        )
    return quads


def _cross(a: NDArray[np.float64], b: NDArray[np.float64]) -> NDArray[np.float64]:
    product: NDArray[np.float64] = a[..., 0] * b[..., 1] - a[..., 1] * b[..., 0]
    return product
