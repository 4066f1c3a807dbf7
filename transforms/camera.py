"""From what a camera does to where its views lie in the picture.

A motion says only what the camera does: a `Camera`, in units of its own view. `place` turns any such path into quads that lie
in the picture: it scales the whole path by the one largest factor at which it fits, and puts it somewhere in the room that
is left. No motion, composition or parameter can therefore show what lies outside the picture.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

FIELD_OF_VIEW = 50.0  # degrees across the diagonal, about that of a 46 mm lens on 35 mm film; matters for tilts alone
MAX_TILT = 60.0  # degrees; with half the field of view that stays below 90, where the view would reach the horizon
GRID = 2.0**22  # quads lie on multiples of 1/GRID: exact in float32, and coarser than libm's differences between machines


@dataclass(frozen=True, slots=True)
class Camera:
    """What the camera does over a clip: each field a float64 [T], or a float that holds throughout.

    All is relative to the base view: an upright rectangle of the output's shape. Only changes matter: the whole path is
    scaled and shifted to fit the picture.
    """

    x: np.ndarray | float = 0.0  # centre of the view, base view widths, positive = right
    y: np.ndarray | float = 0.0  # centre of the view, base view heights, positive = down
    scale: np.ndarray | float = 1.0  # side of the view over the base view's: 0.5 sees half as much, twice as large
    angle: np.ndarray | float = 0.0  # degrees that the view is turned clockwise
    tilt_x: np.ndarray | float = 0.0  # degrees that the camera looks aslant to the right: the right side is further away
    tilt_y: np.ndarray | float = 0.0  # degrees that the camera looks aslant downwards: the bottom is further away


def view_path(cameras: Sequence[Camera], *, frames: int, size: tuple[int, int]) -> np.ndarray:
    """Corners of every view before placing: complex128 [T,4] (x + iy, unit: base view heights, y down).

    Cameras nest: each moves inside the view of the ones before it, so that a shake of 2 % stays 2 % of what is seen while
    another motion zooms. With z a point of the view, each camera is z -> offset + scale·e^(i·angle)·z; tilts add up (to at
    most MAX_TILT). Raises ValueError if a camera is not finite or has a scale that is not positive.
    """
    height, width = size
    aspect = width / height
    centre_T = np.zeros(frames, complex)
    turn_T = np.ones(frames, complex)
    tilt_T: np.ndarray | complex = 0j
    for camera in cameras:
        centre_T = centre_T + turn_T * (camera.x * aspect + 1j * np.asarray(camera.y))
        turn_T = turn_T * camera.scale
        if not (isinstance(camera.angle, float) and camera.angle == 0.0):
            turn_T = turn_T * np.exp(1j * np.radians(camera.angle))
        tilt_T = tilt_T + camera.tilt_x + 1j * np.asarray(camera.tilt_y)
        if np.any(np.asarray(camera.scale) <= 0.0):
            raise ValueError(f"camera scale must be above 0, got {float(np.min(camera.scale)):g}")
    corners_4 = np.array([-aspect - 1j, aspect - 1j, aspect + 1j, -aspect + 1j]) / 2.0
    corners_T4 = tilt_corners(corners_4, tilt_T) if np.any(tilt_T) else corners_4[None]
    path_T4 = centre_T[:, None] + turn_T[:, None] * corners_T4
    if not np.isfinite(path_T4).all():
        raise ValueError("camera path is not finite: check x, y, scale, angle and tilt for NaN and overflow")
    return path_T4


def tilt_corners(corners_4: np.ndarray, tilt_T: np.ndarray | complex) -> np.ndarray:
    """Where the corner rays of a pinhole camera that looks aslant meet the picture's plane: complex128 [T,4].

    The camera orbits the point it looks at, at the distance d from which the view's diagonal fills FIELD_OF_VIEW. With m
    and q a corner's coordinates along and across the tilt's direction and a its angle:
    m' = m / (cos a - m·sin a / d), q' = q·cos a / (cos a - m·sin a / d).
    The denominator is positive up to MAX_TILT, so every view stays a convex, true perspective of a rectangle.
    """
    tilt_T1 = np.atleast_1d(np.asarray(tilt_T, complex))[:, None]
    degrees_T1 = np.abs(tilt_T1)
    direction_T1 = np.where(degrees_T1 > 0.0, tilt_T1, 1.0) / np.where(degrees_T1 > 0.0, degrees_T1, 1.0)
    angle_T1 = np.radians(np.minimum(degrees_T1, MAX_TILT))
    distance = abs(corners_4[0]) / math.tan(math.radians(FIELD_OF_VIEW / 2.0))
    turned_T4 = direction_T1.conj() * corners_4
    cos_T1, sin_T1 = np.cos(angle_T1), np.sin(angle_T1)
    depth_T4 = cos_T1 - turned_T4.real * (sin_T1 / distance)
    return direction_T1 * (turned_T4.real + 1j * cos_T1 * turned_T4.imag) / depth_T4


def place(path_T4: np.ndarray, *, image_size: tuple[int, int], where: tuple[float, float]) -> np.ndarray:
    """Scale a path so that it just fits the picture, and put it `where` in the room left: quads_T42 float32 in [0, 1].

    `image_size` is (H, W) in pixels; `where` is (x, y) in [0, 1]: 0 = at the left or top, 1 = at the right or bottom.
    One factor holds for the whole path, so that fitting never looks like a zoom. A path fits a rectangle exactly when its
    bounding box (w, h) does, so the factor is min(W/w, H/h).
    """
    height, width = image_size
    x_T4, y_T4 = path_T4.real, path_T4.imag
    left, top = x_T4.min(), y_T4.min()
    across, down = x_T4.max() - left, y_T4.max() - top
    factor = min(width / across, height / down)  # picture pixels in a base view height
    quads_T42 = np.empty((*path_T4.shape, 2))
    quads_T42[..., 0] = (x_T4 - left) * (factor / width) + where[0] * (1.0 - across * (factor / width))
    quads_T42[..., 1] = (y_T4 - top) * (factor / height) + where[1] * (1.0 - down * (factor / height))
    steps_T42 = np.clip(np.rint(quads_T42 * GRID), 0.0, GRID) + 0.0  # + 0.0 turns -0.0 into 0.0
    return (steps_T42 / GRID).astype(np.float32)
