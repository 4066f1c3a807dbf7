"""Pillow as a decoder of hostile files: formats are named, warnings silent, errors are `SampleError`."""

from __future__ import annotations

import ctypes
import io
import logging
import warnings
from contextlib import suppress
from functools import cache

import numpy as np
from PIL import Image, UnidentifiedImageError

from schemas.records import SampleError
from transforms.media.corrections import (
    GreySamples,
    correct_transparency,
    corrected_pixels,
    grey_samples,
    is_cut_off,
    is_misread,
)
from transforms.media.formats.errors import corrupt, too_many_pixels, truncated, unsupported
from transforms.media.opencv import decode_by_opencv

_BAND = 4_000_000  # pixels that are converted at a time
_CUT = ("truncated", "unexpected end", "not enough")  # in the messages of files that end too early


@cache
def _silence_libtiff() -> None:
    """Stop libtiff from printing the damage that it finds. Pillow offers no way to ask for that."""
    with suppress(OSError, AttributeError):  # a Pillow whose libtiff cannot be reached prints
        libtiff = ctypes.CDLL(Image.core.__file__)
        libtiff.TIFFSetErrorHandler(None)
        libtiff.TIFFSetWarningHandler(None)


def open_picture(data: bytes, kind: str) -> Image.Image:
    """Open a file of one format, and read its header alone. Raises SampleError."""
    # Damage is reported by the failure, not on the terminal.
    warnings.filterwarnings("ignore", module=r"PIL(\.|$)")
    logging.getLogger("PIL").setLevel(logging.CRITICAL)
    if kind == "tiff":
        _silence_libtiff()
    try:
        return Image.open(io.BytesIO(data), formats=(kind.upper(),))
    except Exception as error:  # Pillow's parsers raise many kinds of error on hostile bytes
        raise _sample_error(kind, error) from error


def decode_by_pillow(data: bytes, kind: str) -> np.ndarray:
    """Decode to uint8 RGB [H,W,3], alpha over white. Raises SampleError."""
    with open_picture(data, kind) as image:
        try:
            if is_misread(image):
                return _by_opencv(data, image)
            correct_transparency(image)
            image.load()  # raises if pixels are missing; a missing end mark (PNG's IEND, GIF's ;) is forgiven
            return _to_rgb(corrected_pixels(image), image.format, grey_samples(image))
        except SampleError:
            raise
        except Exception as error:  # as in `open_picture`
            raise _sample_error(kind, error) from error


def _by_opencv(data: bytes, image: Image.Image) -> np.ndarray:
    kind = str(image.format).lower()
    if len(image.getbands()) != 3:
        raise unsupported(f"{kind}: planes of 16 bits with alpha are not read")
    rgb_HWC = None
    if not is_cut_off(image, len(data)):
        rgb_HWC = decode_by_opencv(data)  # it turns a TIFF upright itself
    if rgb_HWC is None or rgb_HWC.shape[:2] != (image.height, image.width):
        raise truncated(f"{kind}: its pixels are cut off or broken")
    return rgb_HWC


def _to_rgb(image: Image.Image, format: str | None, samples: GreySamples) -> np.ndarray:
    """Convert in bands, so that a large picture needs little more memory than its pixels."""
    rgb_HWC = np.empty((image.height, image.width, 3), np.uint8)
    rows = max(1, _BAND // image.width)
    for top in range(0, image.height, rows):
        bottom = min(top + rows, image.height)
        whole = rows >= image.height
        band = image
        if not whole:
            band = image.crop((0, top, image.width, bottom))
        rgb_HWC[top:bottom] = _band_to_rgb(band, format, samples)
    return rgb_HWC


def _band_to_rgb(band: Image.Image, format: str | None, samples: GreySamples) -> np.ndarray:
    if band.mode in ("I", "F"):
        if format != "PNG":
            raise unsupported(f"{str(format).lower()}: signed samples and samples of 32 bits are not read")
        return samples.to_8_bits(np.clip(np.asarray(band), 0, 65535).astype(np.uint16))
    if band.mode.startswith("I;16"):
        return samples.to_8_bits(np.asarray(band).astype(np.uint16))
    if band.has_transparency_data:
        rgba = band.convert("RGBA")
        white = Image.new("RGBA", rgba.size, "white")
        return np.asarray(Image.alpha_composite(white, rgba).convert("RGB"))
    return np.asarray(band.convert("RGB"))


def _sample_error(kind: str, error: Exception) -> SampleError:
    text = str(error) or type(error).__name__
    if isinstance(error, UnidentifiedImageError):  # its own text is an address in memory
        text = "header is broken or cut off"
        if kind == "tiff":  # its directory has been checked
            return unsupported("tiff: this kind of samples is not read; convert it to JPEG, PNG or WebP")
    if isinstance(error, MemoryError):
        text = "needs more memory than the machine has"
    if isinstance(error, Image.DecompressionBombError):
        return too_many_pixels(f"{kind}: {text}")
    is_cut = isinstance(error, EOFError) or any(mark in text.lower() for mark in _CUT)
    if is_cut:
        return truncated(f"{kind}: {text}")
    return corrupt(f"{kind}: {text}")
