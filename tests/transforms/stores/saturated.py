"""A saturated clip in every store. Strong colours and hard edges show how two decoders differ."""

from __future__ import annotations

import io

import numpy as np
from PIL import Image

from schemas.records import Reference
from transforms.clip import Clip, make_clip
from transforms.settings import ClipSettings

COLOURS = np.array(
    [[255, 0, 0], [0, 255, 0], [0, 0, 255], [255, 255, 0], [255, 0, 255], [0, 255, 255]], np.uint8
)


def picture(height: int = 150, width: int = 200) -> np.ndarray:
    """Random blocks of pure colours, uint8 RGB."""
    blocks = np.random.default_rng(0).integers(0, len(COLOURS), (height // 10, width // 10))
    return COLOURS[blocks].repeat(10, axis=0).repeat(10, axis=1)


def saturated_clip(store: str, key: str = "sat", **values) -> Clip:
    """Make the clip with the job's own function."""
    out = io.BytesIO()
    Image.fromarray(picture()).save(out, "PNG")
    shape = {"frames": 5, "fps": 8, "size": [64, 64]}
    settings = ClipSettings.make({"motions": ["zoom_in"], "clip": shape} | values)
    settings = settings.model_copy(update={"store": store})  # tests register stores of their own
    return make_clip(out.getvalue(), Reference(key, ("red and blue",), "folder"), settings)
