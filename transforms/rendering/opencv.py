"""Render on a CPU: the layers of a clip, and one exact bilinear warp per frame.

Pixels travel as RGBX, because OpenCV warps four channels about twice as fast as three. OpenCV releases the
GIL, so threads of a pool render in parallel. Such a process calls `prepare_worker` first.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial

import cv2
import numpy as np
from numpy.typing import NDArray

from transforms.rendering.homography import homographies
from transforms.rendering.kernels import KERNEL_SUM, ROUND_UP
from transforms.rendering.layers import Layer, plan_layers

FLAGS = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
AFFINE_ROW = (0.0, 0.0, 1.0)


def render_opencv(
    image_HWC: NDArray[np.uint8], quads_T42: NDArray[np.float64], size: tuple[int, int]
) -> NDArray[np.uint8]:
    """Return frames_THWC uint8 of an RGB picture. The quads must have passed `checked_quads`."""
    frames_THWC = np.empty((len(quads_T42), *size, 3), np.uint8)
    # One buffer serves all frames: the page faults of fresh memory cost as much as the warps.
    frame_HW4 = np.empty((*size, 4), np.uint8)
    for t, warp in _warps(image_HWC, quads_T42, size):
        warp(frame_HW4)
        cv2.cvtColor(frame_HW4, cv2.COLOR_RGBA2RGB, dst=frames_THWC[t])
    return frames_THWC


def render_rgbx(
    image_HWC: NDArray[np.uint8], quads_T42: NDArray[np.float64], size: tuple[int, int]
) -> NDArray[np.uint8]:
    """Render as `render_opencv` does, but keep the fourth byte of each pixel: [T,h,w,4].

    JPEG encoders accept that form.
    """
    frames_THW4 = np.empty((len(quads_T42), *size, 4), np.uint8)
    for t, warp in _warps(image_HWC, quads_T42, size):
        warp(frames_THW4[t])
    return frames_THW4


def _warps(
    image_HWC: NDArray[np.uint8], quads_T42: NDArray[np.float64], size: tuple[int, int]
) -> Iterator[tuple[int, Callable[[NDArray[np.uint8]], None]]]:
    """Yield (frame index, a function that warps the frame into a given [h,w,4]), layer by layer."""
    picture = (image_HWC.shape[0], image_HWC.shape[1])
    matrices_T33 = homographies(quads_T42, picture, size)
    for layer in plan_layers(quads_T42, picture, size):
        rgbx_HW4 = np.asarray(cv2.cvtColor(make_layer(image_HWC, layer), cv2.COLOR_RGB2RGBA), np.uint8)
        layer_T33 = layer.index_matrices(matrices_T33)
        affine_T = (layer_T33[:, 2] == AFFINE_ROW).all(axis=1).tolist()
        for t, matrix_33, is_affine in zip(layer.frames, layer_T33, affine_T, strict=True):
            yield t, partial(_warp, rgbx_HW4, matrix_33, is_affine)


def make_layer(image_HWC: NDArray[np.uint8], layer: Layer) -> NDArray[np.uint8]:
    """Cut, halve and blur a picture as the layer says. Return uint8 of shape [*layer.shape, 3]."""
    y0, y1, x0, x1 = (edge << layer.halvings for edge in layer.box)
    made_HWC = image_HWC[y0:y1, x0:x1]
    for _ in range(layer.halvings):
        made_HWC = halve(made_HWC)
    if len(layer.kernel_x) == len(layer.kernel_y) == 1:
        return made_HWC
    kernel_x, kernel_y = (np.array(weights) / KERNEL_SUM for weights in (layer.kernel_x, layer.kernel_y))
    edge = cv2.BORDER_REPLICATE
    return np.asarray(
        cv2.sepFilter2D(made_HWC, -1, kernel_x, kernel_y, delta=ROUND_UP, borderType=edge), np.uint8
    )


def halve(image_HWC: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Halve the size, rounded up, by 2x2 means. An odd last row or column is repeated first.

    OpenCV has a fast path for exactly 2x2, many times faster than its area average at any other ratio.
    """
    h, w = image_HWC.shape[:2]
    if h % 2 or w % 2:
        image_HWC = np.asarray(
            cv2.copyMakeBorder(image_HWC, 0, h % 2, 0, w % 2, cv2.BORDER_REPLICATE), np.uint8
        )
    return np.asarray(
        cv2.resize(image_HWC, ((w + 1) // 2, (h + 1) // 2), interpolation=cv2.INTER_AREA), np.uint8
    )


def prepare_worker() -> None:
    """Call once in a process with its own threads: OpenCV starts none, and freed memory is reused."""
    cv2.setNumThreads(1)
    keep_freed_memory()


def keep_freed_memory() -> None:
    """Let the allocator keep the memory of freed pictures.

    glibc returns large blocks to the system when they are freed, and the page faults of fresh ones cost more
    than the warps. It stops doing so for blocks up to the largest that was ever freed: here one of 16 MB,
    never touched.
    """
    np.empty(1 << 24, np.uint8)


def _warp(
    image_HW4: NDArray[np.uint8],
    matrix_33: NDArray[np.float64],
    is_affine: bool,
    out_HW4: NDArray[np.uint8],
) -> None:
    """Warp one frame.

    Under the ACCURATE hint weights are floats, not the steps of 1/32 pixel of older OpenCV.
    """
    h, w = out_HW4.shape[:2]
    warp, matrix = cv2.warpPerspective, matrix_33
    if is_affine:
        warp, matrix = cv2.warpAffine, matrix_33[:2]
    warp(
        image_HW4,
        matrix,
        (w, h),
        dst=out_HW4,
        flags=FLAGS,
        borderMode=cv2.BORDER_REPLICATE,
        hint=cv2.ALGO_HINT_ACCURATE,
    )
