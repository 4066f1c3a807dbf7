"""The photographs, views and the supersampled reference that the rendering benchmarks share."""

from __future__ import annotations

import cv2
import numpy as np
import skimage.data

SIZE = (224, 224)
FRAMES = 12


def photograph(name: str, height: int, width: int) -> np.ndarray:
    """Return a photograph of scikit-image, cropped and resized: uint8 RGB [height,width,3]."""
    image = getattr(skimage.data, name)()
    h, w = image.shape[:2]
    cut = min(h / height, w / width)
    y, x = int(h - height * cut) // 2, int(w - width * cut) // 2
    part = image[y : y + int(height * cut), x : x + int(width * cut)]
    return cv2.resize(part, (width, height), interpolation=cv2.INTER_AREA if cut > 1 else cv2.INTER_LANCZOS4)


def zoom_in(height: int, width: int) -> tuple[np.ndarray, np.ndarray]:
    """Return a zoom from 1.0 to 0.6 of the shorter side.

    It is quads_T42 float32, and windows_T4 (left, top, right, bottom) in pixels.
    """
    halves = np.linspace(1.0, 0.6, FRAMES) * min(height, width) / 2
    x, y = width / 2, height / 2
    windows = np.stack([x - halves, y - halves, x + halves, y + halves], axis=1)
    left, top, right, bottom = (windows / (width, height, width, height)).T
    corners = [left, top, right, top, right, bottom, left, bottom]
    return np.stack(corners, axis=1).reshape(-1, 4, 2).astype(np.float32), windows


def warp_matrices(windows_T4: np.ndarray, size: tuple[int, int] = SIZE) -> np.ndarray:
    """Return [T,2,3] from output indices to picture indices, for cv2.warpAffine with WARP_INVERSE_MAP."""
    scale = (windows_T4[:, 2] - windows_T4[:, 0]) / size[1]
    matrices = np.zeros((len(windows_T4), 2, 3))
    matrices[:, 0, 0] = matrices[:, 1, 1] = scale
    matrices[:, :, 2] = windows_T4[:, :2] + 0.5 * scale[:, None] - 0.5
    return matrices


def supersampled(image: np.ndarray, windows_T4: np.ndarray, times: int = 8) -> np.ndarray:
    """Return frames_THWC float: bilinear at `times` the size without rounding, then the mean over each pixel."""
    large = (SIZE[0] * times, SIZE[1] * times)
    source, flags = image.astype(np.float32), cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    frames = []
    for matrix in warp_matrices(windows_T4, large):
        warped = cv2.warpAffine(source, matrix, large[::-1], flags=flags, borderMode=cv2.BORDER_REPLICATE)
        frames.append(warped.reshape(SIZE[0], times, SIZE[1], times, 3).mean(axis=(1, 3)))
    return np.stack(frames)


def psnr(frames: np.ndarray, reference: np.ndarray) -> dict[str, float]:
    """Return the mean and the worst dB over the frames."""
    errors = np.mean((frames.astype(np.float64) - reference) ** 2, axis=(1, 2, 3))
    values = 10 * np.log10(255**2 / errors)
    return {"mean": round(float(values.mean()), 1), "worst": round(float(values.min()), 1)}
