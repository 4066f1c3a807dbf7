"""Corrections of pictures that Pillow decodes to other pixels than their formats define.

Each names the rule that it restores. They change the picture that Pillow has opened, before or after its
pixels are loaded.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from PIL import Image, ImagePalette

_BITS, _COMPRESSION, _PHOTOMETRIC, _PLANAR, _COLOURS = 258, 259, 262, 284, 320  # tags of TIFF
_PIECES = ((273, 279), (324, 325))  # offsets and byte counts of strips and of tiles
_WHITE_IS_ZERO, _YCBCR = 0, 6  # photometric interpretations
_UNCOMPRESSED, _SEPARATE = 1, 2
_FACTORS = {"L;2": 85, "L;4": 17}  # raw mode of Pillow's PNG decoder -> 8-bit value of its sample value 1


def correct_transparency(image: Image.Image) -> None:
    """Correct the transparent colour of an opened PNG of 2, 4 or 16 bits a sample.

    The chunk tRNS holds a value of the file's own bit depth (W3C PNG, 11.3.1). Pillow compares it with pixels
    of 8 bits. Of 16 bits the upper 8 are compared.
    """
    found, tiles = image.info.get("transparency"), getattr(image, "tile", None)
    if image.format != "PNG" or found is None or not tiles:
        return
    raw_mode = tiles[0].args
    if isinstance(found, int) and raw_mode in _FACTORS:
        image.info["transparency"] = found * _FACTORS[raw_mode]
    elif isinstance(found, tuple) and raw_mode == "RGB;16B":
        image.info["transparency"] = tuple(value >> 8 for value in found)


def corrected_pixels(image: Image.Image) -> Image.Image:
    """Correct a loaded BMP or TIFF.

    A BMP whose alpha is 0 everywhere is opaque, as browsers show it: writers leave the fourth byte empty. A
    TIFF palette whose values all fit 8 bits has 8 bits, as libtiff reads it, though the format says 16.
    """
    if image.format == "BMP" and image.mode == "RGBA" and image.getchannel("A").getextrema() == (0, 0):
        return image.convert("RGB")
    if image.format == "TIFF" and image.mode == "P":
        colours = _tags(image).get(_COLOURS, ())
        if colours and max(colours) < 256:
            image.palette = ImagePalette.raw("RGB;L", bytes(colours))
            image.load()
    return image


@dataclass(frozen=True, slots=True)
class GreySamples:
    """The meaning of the samples of a grey picture of 12 or 16 bits."""

    bits: int = 16
    white_is_zero: bool = False
    transparent: int | None = None  # PNG's transparent value

    def to_8_bits(self, samples_HW: np.ndarray) -> np.ndarray:
        """uint8 [H,W,1] from uint16; transparent samples are white."""
        grey_HW = (samples_HW >> (self.bits - 8)).astype(np.uint8)
        if self.white_is_zero:
            grey_HW = 255 - grey_HW
        if self.transparent is not None:
            grey_HW[samples_HW == self.transparent] = 255
        return grey_HW[..., None]


def grey_samples(image: Image.Image) -> GreySamples:
    """The meaning of the samples of an opened picture of Pillow's modes I;16."""
    if image.format == "TIFF":
        bits = 16
        if tuple(_tags(image).get(_BITS, ())) == (12,):
            bits = 12
        return GreySamples(bits, _tags(image).get(_PHOTOMETRIC) == _WHITE_IS_ZERO)
    transparent = image.info.get("transparency")
    if not isinstance(transparent, int):
        transparent = None
    return GreySamples(transparent=transparent)


def is_misread(image: Image.Image) -> bool:
    """Does Pillow misread the layout of this opened TIFF? Uncompressed planes of 16 bits, and YCbCr."""
    tags = _tags(image)
    if not tags or tags.get(_COMPRESSION, _UNCOMPRESSED) != _UNCOMPRESSED:
        return False
    planes_of_16 = tags.get(_PLANAR) == _SEPARATE and 16 in tags.get(_BITS, ())
    return bool(planes_of_16 or tags.get(_PHOTOMETRIC) == _YCBCR)


def is_cut_off(image: Image.Image, size: int) -> bool:
    """Does an opened TIFF of `size` bytes end before its last strip or tile? OpenCV does not notice."""
    tags = _tags(image)
    for starts, lengths in _PIECES:
        pieces = zip(tags.get(starts, ()), tags.get(lengths, ()), strict=False)
        if any(start + length > size for start, length in pieces):
            return True
    return False


def _tags(image: Image.Image) -> Mapping[int, Any]:
    """The tags of an opened TIFF; none of another format."""
    found: Mapping[int, Any] = getattr(image, "tag_v2", {})
    return found
