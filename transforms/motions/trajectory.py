"""A trajectory, and measurements on it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

_NEXT = np.array([1, 2, 3, 0])  # corner


@dataclass(frozen=True, slots=True, eq=False)
class Trajectory:
    """A drawn camera motion.

    ``sample_motion(motion, seed=..., **parameters)`` with the same sizes gives the same quads.
    """

    motion: str  # as named in the mix: a motion or a composition
    parameters: Mapping[str, Any]  # drawn values, JSON-able; in compositions "zoom_in.zoom"
    quads_T42: np.ndarray  # float32; corners TL, TR, BR, BL of each frame's view, fractions of the picture


def view_areas(quads_T42: np.ndarray) -> np.ndarray:
    """Return the area of each view over the picture's: float64 [T] in (0, 1] (the shoelace formula)."""
    x_T4, y_T4 = np.asarray(quads_T42, np.float64).transpose(2, 0, 1)
    next_x_T4, next_y_T4 = x_T4.take(_NEXT, axis=1), y_T4.take(_NEXT, axis=1)
    return 0.5 * np.abs((x_T4 * next_y_T4 - next_x_T4 * y_T4).sum(1))


def zoom_of(quads_T42: np.ndarray) -> float:
    """Return the root of (area of the picture / area of the tightest view); 1 if nothing is zoomed."""
    return float(1.0 / np.sqrt(view_areas(quads_T42).min()))


def view_sizes(quads_T42: np.ndarray, image_size: tuple[int, int]) -> np.ndarray:
    """Return height and width of each view in picture pixels: float64 [T,2].

    Those of a tilted view are the means of opposite sides.
    """
    sides_T4 = np.abs(_sides(quads_T42, image_size))  # top, right, bottom, left
    return np.stack([sides_T4[:, 1::2].mean(1), sides_T4[:, 0::2].mean(1)], axis=1)


def view_centres(quads_T42: np.ndarray) -> np.ndarray:
    """Return the point in the middle of each frame: float64 [T,2], fractions of the picture.

    It is the crossing of the diagonals, which perspective keeps, unlike the mean of the corners.
    """
    tl_T2, tr_T2, br_T2, bl_T2 = np.asarray(quads_T42, np.float64).transpose(1, 0, 2)
    falling_T2, rising_T2, between_T2 = br_T2 - tl_T2, bl_T2 - tr_T2, tr_T2 - tl_T2
    along_T = _cross(between_T2, rising_T2) / _cross(falling_T2, rising_T2)
    return tl_T2 + along_T[:, None] * falling_T2


def curves(quads_T42: np.ndarray, image_size: tuple[int, int], fps: float) -> dict[str, np.ndarray]:
    """Return a trajectory over time, each float64 [T].

    `seconds`; `zoom`, picture over view (see `zoom_of`); `x` and `y`, the point in the middle in fractions of
    the picture; `angle`, degrees clockwise that the view is turned, continuous beyond 180; `keystone`, the
    longest over the shortest side along an axis, 1 without a tilt.
    """
    sides_T4 = _sides(quads_T42, image_size)
    lengths_T4 = np.abs(sides_T4)
    ratios_T2 = lengths_T4[:, :2] / lengths_T4[:, 2:]
    centres_T2 = view_centres(quads_T42)
    return {
        "seconds": np.arange(len(sides_T4)) / fps,
        "zoom": 1.0 / np.sqrt(view_areas(quads_T42)),
        "x": centres_T2[:, 0],
        "y": centres_T2[:, 1],
        "angle": np.degrees(np.unwrap(np.angle(_upright(sides_T4)))),
        "keystone": np.maximum(ratios_T2, 1.0 / ratios_T2).max(1),
    }


def _upright(sides_T4: np.ndarray) -> np.ndarray:
    """Return the direction of a view's right: unit sides summed, each turned back by its quarter."""
    return (sides_T4 / np.abs(sides_T4) * np.array([1.0, -1j, -1.0, 1j])).sum(1)


def _sides(quads_T42: np.ndarray, image_size: tuple[int, int]) -> np.ndarray:
    """Return the sides top, right, bottom, left in picture pixels, clockwise, as complex128 [T,4]."""
    quads_T42 = np.asarray(quads_T42, np.float64)
    corners_T4 = quads_T42[..., 0] * image_size[1] + 1j * (quads_T42[..., 1] * image_size[0])
    return np.roll(corners_T4, -1, 1) - corners_T4


def _cross(a_T2: np.ndarray, b_T2: np.ndarray) -> np.ndarray:
    return a_T2[:, 0] * b_T2[:, 1] - a_T2[:, 1] * b_T2[:, 0]
