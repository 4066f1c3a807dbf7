"""The backgrounds of the corpus: named textures, drawn or cut from photographs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import cv2
import numpy as np

from lab.corpus.objects import COLOURS
from schemas.keys import derive_seed

PATTERNS = ("paper", "stripes", "checks", "dots", "clouds")
GROUNDS = ("red", "green", "blue", "yellow", "white", "purple", "orange")
PHOTOGRAPHS = {  # name in captions -> module and file of a bundled photograph
    "grass": ("skimage", "grass"),
    "gravel": ("skimage", "gravel"),
    "bricks": ("skimage", "brick"),
    "the moon": ("skimage", "moon"),
    "coins": ("skimage", "coins"),
    "stars": ("skimage", "hubble_deep_field"),
    "coffee": ("skimage", "coffee"),
    "a temple": ("sklearn", "china.jpg"),
    "a flower": ("sklearn", "flower.jpg"),
}


@dataclass(frozen=True)
class Background:
    """A named texture."""

    name: str  # as in captions: "red stripes", "grass"
    kind: Literal["pattern", "photograph"]


def backgrounds() -> list[Background]:
    """Return all of them, in a fixed order."""
    drawn = [Background(f"{ground} {pattern}", "pattern") for ground in GROUNDS for pattern in PATTERNS]
    return [*drawn, *(Background(name, "photograph") for name in PHOTOGRAPHS)]


class Painter:
    """Paints backgrounds. It keeps the photographs that it has read."""

    def __init__(self) -> None:
        self._photographs: dict[str, np.ndarray] = {}

    def paint(self, background: Background, side: int, seed: int, views: float = 1.0) -> np.ndarray:
        """Return uint8 RGB [side,side,3]. `seed` places the pattern, or chooses the part of the photograph.

        The image is `views` views wide: patterns are that much finer.
        """
        rng = np.random.default_rng(derive_seed(seed, "background"))
        if background.kind == "pattern":
            ground, _, pattern = background.name.partition(" ")
            image_HWC = _pattern(np.array(COLOURS[ground], np.float32), pattern, side, rng, views)
        else:
            image_HWC = self._cut(background.name, side, rng)
        return _shaded(image_HWC, rng)

    def _cut(self, name: str, side: int, rng: np.random.Generator) -> np.ndarray:
        if name not in self._photographs:
            self._photographs[name] = _photograph(name)
        image_HWC = self._photographs[name]
        edge = int(min(image_HWC.shape[:2]) * rng.uniform(0.6, 0.95))
        y, x = (int(rng.integers(length - edge + 1)) for length in image_HWC.shape[:2])
        part = image_HWC[y : y + edge, x : x + edge]
        return cv2.resize(part, (side, side), interpolation=cv2.INTER_AREA).astype(np.float32)


def _photograph(name: str) -> np.ndarray:
    """Return a photograph as RGB. Both packages bring it along, so nothing is downloaded."""
    package, picture = PHOTOGRAPHS[name]
    if package == "skimage":
        import skimage.data

        image = getattr(skimage.data, picture)()
    else:
        from sklearn.datasets import load_sample_image

        image = load_sample_image(picture)
    if image.ndim == 2:
        return np.repeat(image[..., None], 3, axis=2)
    return image[..., :3]


def _pattern(
    colour: np.ndarray, pattern: str, side: int, rng: np.random.Generator, views: float
) -> np.ndarray:
    """Return float32 [side,side,3]: two shades of the colour in this pattern, at a random place and pitch."""
    y, x = np.mgrid[0:side, 0:side].astype(np.float32) / side
    pitch, (dx, dy) = rng.uniform(0.12, 0.2) / views, rng.uniform(0, 1, 2)
    u, v = (x + dx) / pitch, (y + dy) / pitch
    if pattern == "stripes":
        angle = rng.uniform(0, np.pi)
        share = ((u * np.cos(angle) + v * np.sin(angle)) % 1.0 < 0.5).astype(np.float32)
    elif pattern == "checks":
        share = ((np.floor(u) + np.floor(v)) % 2).astype(np.float32)
    elif pattern == "dots":
        share = (np.hypot(u % 1.0 - 0.5, v % 1.0 - 0.5) < 0.32).astype(np.float32)
    elif pattern == "clouds":
        share = _noise(side, round(6 * views), rng)
    else:
        share = 0.25 * _noise(side, round(24 * views), rng)
    share_HW1 = cv2.GaussianBlur(share, (0, 0), side / 400)[..., None]
    return colour * (1.0 - 0.55 * share_HW1)


def _noise(side: int, cells: int, rng: np.random.Generator) -> np.ndarray:
    coarse = rng.uniform(0, 1, (cells, cells)).astype(np.float32)
    return cv2.resize(coarse, (side, side), interpolation=cv2.INTER_CUBIC).clip(0, 1)


def _shaded(image_HWC: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Darken towards one side, as light from a window does: uint8."""
    angle, depth = rng.uniform(0, 2 * np.pi), rng.uniform(0.1, 0.4)
    side = image_HWC.shape[0]
    y, x = np.mgrid[0:side, 0:side].astype(np.float32) / side - 0.5
    light_HW1 = 1.0 - depth * (0.5 + x * np.cos(angle) + y * np.sin(angle))[..., None]
    return (image_HWC * light_HW1).clip(0, 255).astype(np.uint8)
