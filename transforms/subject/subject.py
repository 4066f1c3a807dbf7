"""Where the subject of a picture is, and how much of it a view holds."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np

from transforms.subject.boxes import Box, coverage
from transforms.subject.saliency import saliency


@dataclass(frozen=True, slots=True, eq=False)
class Subject:
    """Weights over a picture, on a grid of equal cells."""

    weights_RC: np.ndarray  # whole numbers in float64, so that sums are exact; some above 0
    _points_2N: np.ndarray = field(init=False, repr=False)  # centres of the cells with weight, fractions
    _weights_N: np.ndarray = field(init=False, repr=False)

    def __post_init__(self) -> None:
        rows, columns = np.nonzero(self.weights_RC)
        height, width = self.weights_RC.shape
        points_2N = np.stack([(columns + 0.5) / width, (rows + 0.5) / height])
        object.__setattr__(self, "_points_2N", points_2N)
        object.__setattr__(self, "_weights_N", self.weights_RC[rows, columns])

    def held(self, quads_T42: np.ndarray) -> np.ndarray:
        """Return the share of the subject in each view: float64 [T] in [0, 1].

        Views are convex, with corners in clockwise order: TL, TR, BR, BL.
        """
        corners_T42 = np.asarray(quads_T42, np.float64)
        sides_T42 = np.roll(corners_T42, -1, axis=1) - corners_T42
        x_N, y_N = self._points_2N
        inside_TN: np.ndarray | bool = True
        for corner in range(4):
            from_x, from_y = corners_T42[:, corner].T[..., None]
            side_x, side_y = sides_T42[:, corner].T[..., None]
            inside_TN = inside_TN & (side_x * (y_N - from_y) >= side_y * (x_N - from_x))
        shares_T: np.ndarray = np.where(inside_TN, self._weights_N, 0.0).sum(1) / self._weights_N.sum()
        return shares_T


def find_subject(
    boxes: Sequence[Box], image_size: tuple[int, int], picture: Callable[[], np.ndarray]
) -> Subject | None:
    """Return the subject of a picture: all its boxes, or what is salient if there are none.

    `boxes` are in pixels of `image_size` = (height, width). `picture` gives the decoded picture, uint8 RGB
    [H,W,3] at any scale; it is called only if no box has an area inside the picture. None for a picture
    without contrast.
    """
    weights_RC = coverage(boxes, image_size)
    if weights_RC is None:
        weights_RC = saliency(picture())
    if weights_RC is None:
        return None
    return Subject(weights_RC)
