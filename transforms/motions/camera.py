"""Turn what a camera does (move, zoom, turn, tilt) into its views of the picture.

A motion says only what the camera does: a `Camera`, in units of its own view. `place` turns any such path
into quads inside the picture. It scales the whole path by the one largest factor at which it fits, and puts
it somewhere in the room that is left. So no motion, combination or parameter can show anything outside the
picture.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

# Degrees across the diagonal, about those of a 46 mm lens on 35 mm film. Only tilts depend on it.
FIELD_OF_VIEW = 50.0
DEGREE = math.pi / 180.0
# Degrees. With half the field of view that stays below 90, where the view would reach the horizon.
MAX_TILT = 60.0
# Widest view over tightest within a clip. Only combinations of zooms reach it, and a view must not vanish.
MAX_ZOOM = 64.0
# Quads are multiples of 1/GRID: exact in float32, and coarser than the differences of libm between machines.
GRID = 2.0**22


@dataclass(frozen=True, slots=True)
class Camera:
    """The camera's movement over a clip: each field is a float64 [T], or a float that holds throughout.

    Everything is relative to the base view, an upright rectangle of the output's shape. Only changes matter,
    because the whole path is scaled and shifted to fit the picture.
    """

    x: np.ndarray | float = 0.0  # centre of the view, base view widths, positive = right
    y: np.ndarray | float = 0.0  # centre of the view, base view heights, positive = down
    scale: np.ndarray | float = 1.0  # side of the view over the base view's: at 0.5 all looks twice as large
    angle: np.ndarray | float = 0.0  # degrees that the view is turned clockwise
    # Degrees that the camera looks aslant to the right, which is further away.
    tilt_x: np.ndarray | float = 0.0
    # Degrees that the camera looks aslant downwards; the bottom is further away.
    tilt_y: np.ndarray | float = 0.0
    # How much smaller the whole path is than the largest that fits the picture; at least 1.
    closer: float = 1.0


def view_path(cameras: Sequence[Camera], *, frames: int, size: tuple[int, int]) -> np.ndarray:
    """Return the corners of every view before placing: complex128 [T,4].

    They are x + iy in base view heights, y down.

    Cameras nest: each moves inside the view of those before it. So a shake of 2 % stays 2 % of the view while
    another motion zooms. With z a point of the view, each camera is z -> offset + scale·e^(i·angle)·z. Tilts
    add up, to at most MAX_TILT. Zooms multiply, to at most MAX_ZOOM. Raises ValueError if a scale is not
    positive.
    """
    aspect = size[1] / size[0]
    centre_T: np.ndarray | complex = 0j
    turn_T: np.ndarray | complex = 1.0
    tilt_T: np.ndarray | complex = 0j
    for camera in cameras:
        centre_T = centre_T + turn_T * (camera.x * aspect + camera.y * 1j)
        turn_T = turn_T * camera.scale
        if _given(camera.angle):
            turn_T = turn_T * np.exp(np.multiply(camera.angle, DEGREE * 1j))
        if _given(camera.tilt_x) or _given(camera.tilt_y):
            tilt_T = tilt_T + (camera.tilt_x + np.multiply(camera.tilt_y, 1j))
        if not np.minimum.reduce(camera.scale, axis=None) > 0.0:
            raise ValueError(f"camera scale must be above 0, got {float(np.min(camera.scale)):g}")
    turn_T = _limit_zoom(turn_T)
    corners_4 = np.array([-aspect - 1j, aspect - 1j, aspect + 1j, -aspect + 1j]) / 2.0
    corners_T4 = corners_4
    if isinstance(tilt_T, np.ndarray) or tilt_T:
        corners_T4 = tilt_corners(corners_4, tilt_T)
    path_T4 = np.empty((frames, 4), complex)
    np.add(np.reshape(centre_T, (-1, 1)), np.reshape(turn_T, (-1, 1)) * corners_T4, out=path_T4)
    return path_T4


def _limit_zoom(turn_T: np.ndarray | complex) -> np.ndarray | complex:
    scale_T = np.abs(turn_T)
    widest = np.maximum.reduce(scale_T, axis=None)
    if np.minimum.reduce(scale_T, axis=None) * MAX_ZOOM >= widest:
        return turn_T
    return turn_T * np.maximum(widest / MAX_ZOOM / scale_T, 1.0)


def _given(field: np.ndarray | float) -> bool:
    """Is a camera's field anything but a plain zero? Most motions leave most fields alone."""
    return isinstance(field, np.ndarray) or field != 0.0


def tilt_corners(corners_4: np.ndarray, tilt_T: np.ndarray | complex) -> np.ndarray:
    """Return where the corner rays of a tilted pinhole camera meet the picture's plane: complex128 [T,4].

    The camera orbits the point it looks at, at the distance d from which the view's diagonal fills
    FIELD_OF_VIEW. With m and q a corner's coordinates along and across the tilt's direction and a its angle:
    m' = m / (cos a - m·sin a / d), q' = q·cos a / (cos a - m·sin a / d). The denominator is positive up to
    MAX_TILT, so every view stays a convex, true perspective of a rectangle.
    """
    tilt_T1 = np.atleast_1d(np.asarray(tilt_T, complex))[:, None]
    degrees_T1 = np.abs(tilt_T1)
    direction_T1 = np.where(degrees_T1 > 0.0, tilt_T1, 1.0) / np.where(degrees_T1 > 0.0, degrees_T1, 1.0)
    angle_T1 = np.minimum(degrees_T1, MAX_TILT) * DEGREE
    distance = abs(corners_4[0]) / math.tan(math.radians(FIELD_OF_VIEW / 2.0))
    turned_T4 = direction_T1.conj() * corners_4
    cos_T1, sin_T1 = np.cos(angle_T1), np.sin(angle_T1)
    depth_T4 = cos_T1 - turned_T4.real * (sin_T1 / distance)
    return direction_T1 * (turned_T4.real + 1j * cos_T1 * turned_T4.imag) / depth_T4


def place(
    path_T4: np.ndarray, *, image_size: tuple[int, int], where: tuple[float, float], closer: float = 1.0
) -> np.ndarray:
    """Scale a path so that it just fits the picture, and put it `where` in the room left.

    Returns quads_T42 float32 in [0, 1].

    `image_size` is (H, W) in pixels. `where` is (x, y) in [0, 1]: 0 is at the left or top, 1 at the right or
    bottom. One factor holds for the whole path, so that fitting never looks like a zoom. A path fits a
    rectangle exactly when its bounding box (w, h) does, so the factor is min(W/w, H/h). The path is then made
    `closer` times smaller, at most MAX_ZOOM. Raises ValueError if the path is not finite.
    """
    height, width = image_size
    corners_N2 = path_T4.reshape(-1).view(np.float64).reshape(-1, 2)
    least_2 = np.minimum.reduce(corners_N2, axis=0)
    across, down = (np.maximum.reduce(corners_N2, axis=0) - least_2).tolist()
    if not math.isfinite(across + down):
        raise ValueError(
            "the camera's path is not finite: check x, y, scale, angle and tilt for NaN and overflow"
        )
    factor = min(width / across, height / down)  # picture pixels per base view height
    if closer != 1.0:
        factor /= min(closer, MAX_ZOOM)
    by_x, by_y = factor / width, factor / height
    room_2 = np.array([where[0] * (1.0 - across * by_x), where[1] * (1.0 - down * by_y)])
    fractions_N2 = (corners_N2 - least_2) * np.array([by_x, by_y]) + room_2
    steps_N2 = np.maximum(np.minimum(np.rint(fractions_N2 * GRID), GRID), 0.0)
    steps_N2 += 0.0  # turns -0.0 into 0.0, so that equal views have equal bytes
    return (steps_N2 / GRID).astype(np.float32).reshape(-1, 4, 2)
