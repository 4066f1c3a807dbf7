"""Rendering on a CPU: one exact bilinear warp a frame.

Pixels travel as RGBX: OpenCV warps four channels about twice as fast as three. Nothing here holds the GIL for long, so a
pool of threads renders in parallel; workers call ``cv2.setNumThreads(1)``.
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from transforms.homography import homographies, index_matrices
from transforms.shrink import layers

FLAGS = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
AFFINE_ROW = (0.0, 0.0, 1.0)


def render_opencv(image_HWC: NDArray[np.uint8], quads_T42: NDArray[np.floating], size: tuple[int, int]) -> NDArray[np.uint8]:
    """frames_THWC uint8 of an RGB picture. The ACCURATE hint keeps full float weights (no steps of 1/32 pixel)."""
    h, w = size
    frames_THW4 = np.empty((len(quads_T42), h, w, 4), np.uint8)
    for layer in layers(image_HWC, quads_T42, size):
        rgbx_HW4 = np.asarray(cv2.cvtColor(layer.image_HWC, cv2.COLOR_RGB2RGBA), np.uint8)
        matrices_T33 = index_matrices(homographies(quads_T42[layer.frames], layer.extent, size))
        for frame, matrix_33 in zip(layer.frames, matrices_T33, strict=True):
            _warp(rgbx_HW4, matrix_33, frames_THW4[frame])
    frames_HWC = np.asarray(cv2.cvtColor(frames_THW4.reshape(-1, w, 4), cv2.COLOR_RGBA2RGB), np.uint8)
    return frames_HWC.reshape(-1, h, w, 3)


def _warp(image_HWC: NDArray[np.uint8], matrix_33: NDArray[np.float64], out_HWC: NDArray[np.uint8]) -> None:
    h, w = out_HWC.shape[:2]
    affine = tuple(matrix_33[2]) == AFFINE_ROW
    warp, matrix = (cv2.warpAffine, matrix_33[:2]) if affine else (cv2.warpPerspective, matrix_33)
    warp(image_HWC, matrix, (w, h), dst=out_HWC, flags=FLAGS, borderMode=cv2.BORDER_REPLICATE, hint=cv2.ALGO_HINT_ACCURATE)
