"""The tightest view of a mix: the resolution that paths which are still to be drawn may ask of a picture."""

from __future__ import annotations

import numpy as np

from transforms.motions.mix import MotionMix, draw

DRAWS = 1024  # of the mix; 20,000 draws of the default mix find no tighter view


def tightest_share(mix: MotionMix, *, frames: int, size: tuple[int, int], fps: float) -> float:
    """Return the side of the tightest view of a mix over that of the largest view of its shape.

    `size` is (height, width) of the frames, pixels. Measured over DRAWS paths in a picture of the frames'
    shape. Any other picture holds such a rectangle with the same largest view, so paths in it are placed at
    least as large.
    """
    sides = [
        _narrowest(draw(mix, seed=seed, image_size=size, frames=frames, size=size, fps=fps).quads_T42)
        for seed in range(DRAWS)
    ]
    return min(sides)


def centred_view(share: float, *, image_size: tuple[int, int], size: tuple[int, int]) -> np.ndarray:
    """Return quads float32 [1,4,2]: the view in the middle that has `share` of the largest view's side.

    Sizes are (height, width) in pixels, of the picture and of the frames.
    """
    scale = share * min(image_size[0] / size[0], image_size[1] / size[1])
    across, down = scale * size[1] / image_size[1] / 2, scale * size[0] / image_size[0] / 2
    corners_42 = np.array([[-across, -down], [across, -down], [across, down], [-across, down]])
    quads_142: np.ndarray = np.clip(corners_42 + 0.5, 0.0, 1.0).astype(np.float32)[None]
    return quads_142


def _narrowest(quads_T42: np.ndarray) -> float:
    """Return the smallest extent of a path's views along x or y; 1 is the whole picture.

    As in `transforms.rendering.layers.footprints`: the root of the summed squares of both sides' extents.
    """
    quads_T42 = np.asarray(quads_T42, np.float64)
    across_T2 = (quads_T42[:, 1] - quads_T42[:, 0] + quads_T42[:, 2] - quads_T42[:, 3]) / 2
    down_T2 = (quads_T42[:, 3] - quads_T42[:, 0] + quads_T42[:, 2] - quads_T42[:, 1]) / 2
    return float(np.sqrt(across_T2**2 + down_T2**2).min())
