"""Where each output pixel lies in the picture: a homography a frame, in closed form and float64.

Convention: x to the right, y down, and edges, not centres, are the integers: the output is the rectangle (0, 0) to (w, h),
the picture (0, 0) to (W, H), and the first pixel's centre is (0.5, 0.5). `Layer.index_matrices` moves that to array
indices, where the first pixel's centre is (0, 0), which is what OpenCV and grid_sample take.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

# float32 corners of an exact parallelogram miss it by up to 2.4e-7 of the picture; 1e-6 of 4000 pixels is 0.004 pixel.
PARALLELOGRAM_TOLERANCE = 1e-6
OUTSIDE_TOLERANCE = (
    1e-5  # a corner this far outside is rounding; what it would show is the edge pixel repeated
)


def homographies(
    quads_T42: NDArray[np.float64], picture: tuple[float, float], size: tuple[int, int]
) -> NDArray[np.float64]:
    """[T,3,3] float64: output pixel edges to picture pixel edges, for views in fractions of a picture of (H, W) pixels.

    A parallelogram (pan, zoom, rotation) gives an exactly affine matrix, last row (0, 0, 1); any other convex quad gives
    the projective map of the square to it (Heckbert, Fundamentals of Texture Mapping and Image Warping, 1989, 2.2.3).
    The quads must have passed `checked_quads`.
    """
    p0, p1, p2, p3 = (quads_T42 * (picture[1], picture[0])).transpose(1, 0, 2)
    h, w = size
    twist = p0 - p1 + p2 - p3
    flat = (np.abs(twist) <= PARALLELOGRAM_TOLERANCE * np.array([picture[1], picture[0]])).all(axis=-1)
    matrices = np.zeros((len(quads_T42), 3, 3))
    matrices[:, 2, 2] = 1.0

    e1, e2 = p1 - p2, p3 - p2
    area = _cross(e1, e2)
    g = np.where(flat, 0.0, _cross(twist, e2) / area)[:, None]
    k = np.where(flat, 0.0, _cross(e1, twist) / area)[:, None]
    # of a parallelogram the two estimates of each side are averaged, which spreads the float32 rounding of the corners
    side = np.where(flat[:, None], (p1 - p0 + p2 - p3) / 2, p1 - p0 + g * p1)
    down = np.where(flat[:, None], (p3 - p0 + p2 - p1) / 2, p3 - p0 + k * p3)
    matrices[:, :2, 0] = side / w
    matrices[:, :2, 1] = down / h
    matrices[:, :2, 2] = p0
    matrices[:, 2, 0] = g[:, 0] / w
    matrices[:, 2, 1] = k[:, 0] / h
    return matrices


def checked_quads(quads_T42: NDArray[np.floating]) -> NDArray[np.float64]:
    """The quads as float64, or ValueError naming what is wrong with them."""
    quads = np.asarray(quads_T42, dtype=np.float64)
    if quads.ndim != 3 or quads.shape[1:] != (4, 2) or len(quads) == 0:
        raise ValueError(f"quads: the shape must be [T, 4, 2] with T >= 1, got {list(quads.shape)}")
    if not np.isfinite(quads).all():
        raise ValueError("quads: every corner must be a finite number")
    if quads.min() < -OUTSIDE_TOLERANCE or quads.max() > 1 + OUTSIDE_TOLERANCE:
        raise ValueError(
            f"quads: corners lie between {quads.min():.6g} and {quads.max():.6g}, but must be in [0, 1]: a view may not leave "
            "the picture"
        )
    sides = quads[:, (1, 2, 3, 0)] - quads
    if np.any(_cross(sides, sides[:, (1, 2, 3, 0)]) <= 0):
        raise ValueError(
            "quads: every view must be convex, with an area, its corners clockwise from the top-left one"
        )
    return quads


def _cross(a: NDArray[np.float64], b: NDArray[np.float64]) -> NDArray[np.float64]:
    product: NDArray[np.float64] = a[..., 0] * b[..., 1] - a[..., 1] * b[..., 0]
    return product
