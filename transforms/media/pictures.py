"""Encoded pictures to 8-bit RGB: everything that stands on the web as a photograph, nothing that is broken or absurd.

JPEG goes through libjpeg-turbo (simplejpeg), the rest through Pillow; both release the GIL. Colour profiles are not
applied: the numbers in the file are taken for sRGB, as the common training pipelines take them.
"""

from __future__ import annotations

import io
from dataclasses import dataclass

import numpy as np
import simplejpeg
from PIL import Image, UnidentifiedImageError
from pydantic import Field

from schemas.config import Config
from schemas.records import Reason, SampleError, Stage
from transforms.media import jpeg
from transforms.media.sniff import sniff, webp_size

_MAX_SCANS = 200  # cameras and encoders write about ten; each costs a pass over the whole picture
_ORIENTATION = 0x0112
_TURNS = {  # EXIF orientation -> [H,W,C] as it is to be seen
    2: lambda a: a[:, ::-1],
    3: lambda a: a[::-1, ::-1],
    4: lambda a: a[::-1],
    5: lambda a: a.swapaxes(0, 1),
    6: lambda a: a[::-1].swapaxes(0, 1),
    7: lambda a: a[::-1, ::-1].swapaxes(0, 1),
    8: lambda a: a[:, ::-1].swapaxes(0, 1),
}


class PictureLimits(Config):
    """Which pictures are taken at all. Read from the header, before any pixel is decoded."""

    max_pixels: int = Field(
        50_000_000, ge=1, le=89_000_000, description="largest picture, pixels (width x height)"
    )
    min_side: int = Field(64, ge=1, le=65_535, description="smallest shorter side, pixels")
    max_aspect: float = Field(5.0, ge=1.0, le=1000.0, description="largest longer side over shorter side")


@dataclass(frozen=True, slots=True)
class Header:
    """What a picture says of itself before it is decoded."""

    format: str  # jpeg | png | webp | gif | bmp | tiff
    size: tuple[int, int]  # (height, width) in pixels, as it is to be seen: EXIF orientation applied
    orientation: int  # EXIF, 1..8; 1 for upright
    jpeg: jpeg.JpegHeader | None = None


@dataclass(frozen=True, slots=True)
class Picture:
    """A decoded picture."""

    image_HWC: np.ndarray  # uint8 RGB, contiguous, upright
    original_size: tuple[int, int]  # (height, width) before any reduction, upright
    format: str
    # How much of image_HWC, down and across, the picture fills: (1, 1) but for JPEGs decoded at reduced scale whose sides
    # the scale does not divide; there the last row or column lies partly outside. Fractions times `extent` stay exact.
    extent: tuple[float, float] = (1.0, 1.0)


def read_header(data: bytes, limits: PictureLimits) -> Header:
    """Format, upright size and orientation, without decoding.

    Raises SampleError (stage decode): empty_body, not_an_image, unsupported_format, truncated, corrupt, too_many_pixels,
    too_small, bad_aspect.
    """
    kind = sniff(data)
    if kind == "jpeg":
        header = _jpeg_header(data)
    else:
        if kind == "webp":  # Pillow allocates its canvas when it opens one
            _check_size(webp_size(data), limits)
        with _open(data, kind) as image:
            orientation = 1 if kind == "tiff" else _orientation(image)  # Pillow turns TIFFs itself
            header = Header(kind, _upright((image.height, image.width), orientation), orientation)
            _check_tiles(image, limits)
    _check_size(header.size, limits)
    return header


def decode(
    data: bytes,
    limits: PictureLimits,
    *,
    need: tuple[int, int] | None = None,
    exact: bool = False,
    header: Header | None = None,
) -> Picture:
    """An encoded picture as 8-bit RGB, upright, alpha over white.

    `need` is the smallest (height, width), upright, that the decoded picture must have: a JPEG at least twice as large is
    decoded at 1/2, 1/4 or 1/8 scale. `exact` allows only scales that divide both sides. `header` saves reading it again.

    Raises SampleError (stage decode): what `read_header` raises, and truncated or corrupt where the pixels are not all there.
    """
    header = header or read_header(data, limits)
    try:
        if header.jpeg is not None and header.jpeg.components != 4:
            pixels, extent = _decode_jpeg(data, header, need, exact)
        else:
            pixels, extent = _decode_pillow(data, header.format), (1.0, 1.0)
    except MemoryError:
        raise SampleError(
            Stage.DECODE, Reason.CORRUPT, f"{header.format}: asks for more memory than there is"
        ) from None
    turn = _TURNS.get(header.orientation)
    image_HWC = np.ascontiguousarray(turn(pixels) if turn else pixels)
    return Picture(image_HWC, header.size, header.format, extent)


def _check_size(size: tuple[int, int], limits: PictureLimits) -> None:
    height, width = size
    if height * width > limits.max_pixels:
        raise SampleError(
            Stage.DECODE,
            Reason.TOO_MANY_PIXELS,
            f"{width}x{height} pixels, over pictures.max_pixels={limits.max_pixels}",
        )
    short, long = min(size), max(size)
    if short < limits.min_side:
        raise SampleError(
            Stage.DECODE,
            Reason.TOO_SMALL,
            f"{width}x{height} pixels, under pictures.min_side={limits.min_side}",
        )
    if long > limits.max_aspect * short:
        raise SampleError(
            Stage.DECODE,
            Reason.BAD_ASPECT,
            f"{width}x{height} pixels, over pictures.max_aspect={limits.max_aspect:g}",
        )


def _upright(size: tuple[int, int], orientation: int) -> tuple[int, int]:
    return (size[1], size[0]) if orientation >= 5 else size


# JPEG


def _jpeg_header(data: bytes) -> Header:
    try:
        frame = jpeg.read_header(data)
    except jpeg.JpegError as error:
        reason = Reason.TRUNCATED if "ends before" in str(error) else Reason.CORRUPT
        raise SampleError(Stage.DECODE, reason, f"jpeg: {error}") from None
    if frame.frame not in jpeg.DECODABLE or frame.precision != 8:
        raise SampleError(
            Stage.DECODE,
            Reason.UNSUPPORTED_FORMAT,
            f"jpeg: SOF{frame.frame - 0xC0} with {frame.precision} bits a sample",
        )
    if frame.several_scans and (scans := data.count(b"\xff\xda")) > _MAX_SCANS:
        raise SampleError(Stage.DECODE, Reason.CORRUPT, f"jpeg: {scans} scans, more than {_MAX_SCANS}")
    orientation = _exif_orientation(frame.exif)
    return Header("jpeg", _upright((frame.height, frame.width), orientation), orientation, frame)


def _exif_orientation(block: bytes) -> int:
    if not block:
        return 1
    exif = Image.Exif()
    try:
        exif.load(block)
        return _valid_orientation(exif.get(_ORIENTATION))
    except (
        Exception
    ):  # a broken EXIF block says nothing about the pixels, and parsers of hostile bytes raise anything
        return 1


def _orientation(image: Image.Image) -> int:
    try:
        return _valid_orientation(image.getexif().get(_ORIENTATION))
    except Exception:  # as above
        return 1


def _valid_orientation(value: object) -> int:
    return value if isinstance(value, int) and 1 <= value <= 8 else 1


def _decode_jpeg(
    data: bytes, header: Header, need: tuple[int, int] | None, exact: bool
) -> tuple[np.ndarray, tuple[float, float]]:
    size = _upright(header.size, header.orientation)  # as stored; turning twice undoes it
    # a turned picture would have its partial row or column at the other side, where `extent` cannot say so
    scale = (
        _jpeg_scale(size, _upright(need, header.orientation), exact or header.orientation != 1) if need else 1
    )
    height, width = -(-size[0] // scale), -(-size[1] // scale)
    smaller = {"min_height": height, "min_width": width} if scale > 1 else {}
    try:
        pixels = simplejpeg.decode_jpeg(data, "RGB", **smaller)
    except ValueError as error:
        text = str(error)
        if not jpeg.is_harmless(text):
            reason = Reason.TRUNCATED if "Premature end of JPEG file" in text else Reason.CORRUPT
            raise SampleError(Stage.DECODE, reason, f"jpeg: {text}") from None
        return _decode_pillow(data, "jpeg"), (1.0, 1.0)
    if pixels.shape[:2] != (height, width):
        raise SampleError(
            Stage.DECODE, Reason.CORRUPT, f"jpeg: decodes to {pixels.shape[1]}x{pixels.shape[0]} pixels"
        )
    return pixels, (size[0] / scale / height, size[1] / scale / width)


def _jpeg_scale(size: tuple[int, int], need: tuple[int, int], exact: bool) -> int:
    for scale in (
        8,
        4,
        2,
    ):  # the scales that libjpeg-turbo has vector code for; others can take longer than the full one
        whole = all(side % scale == 0 for side in size)
        if (whole or not exact) and all(
            -(-side // scale) >= least for side, least in zip(size, need, strict=True)
        ):
            return scale
    return 1


# everything else


def _open(data: bytes, kind: str) -> Image.Image:
    try:
        return Image.open(io.BytesIO(data), formats=(kind.upper(),))
    except Exception as error:  # Pillow's parsers raise whatever their input makes them raise
        raise _sample_error(kind, error) from error


def _check_tiles(image: Image.Image, limits: PictureLimits) -> None:
    """A TIFF's tiles are allocated whole, however small the picture."""
    tags = getattr(image, "tag_v2", {})
    width, height = tags.get(322), tags.get(323)
    if isinstance(width, int) and isinstance(height, int) and width * height > limits.max_pixels:
        raise SampleError(Stage.DECODE, Reason.TOO_MANY_PIXELS, f"tiff: tiles of {width}x{height} pixels")


def _decode_pillow(data: bytes, kind: str) -> np.ndarray:
    with _open(data, kind) as image:
        try:
            return _to_rgb(image)
        except SampleError:
            raise
        except Exception as error:  # as in _open
            raise _sample_error(kind, error) from error


def _to_rgb(image: Image.Image) -> np.ndarray:
    image.load()  # Pillow raises here if pixels are missing; a missing end mark alone (PNG's IEND, GIF's ;) is forgiven
    if image.mode in ("I", "F"):
        if image.format != "PNG":
            raise SampleError(Stage.DECODE, Reason.UNSUPPORTED_FORMAT, f"{image.format}: 32 bits a sample")
        grey = np.clip(np.asarray(image), 0, 65535) >> 8
    elif image.mode.startswith("I;16"):
        grey = np.asarray(image).astype(np.uint16) >> 8
    elif image.has_transparency_data:
        rgba = image.convert("RGBA")
        return np.asarray(Image.alpha_composite(Image.new("RGBA", rgba.size, "white"), rgba).convert("RGB"))
    else:
        return np.asarray(image.convert("RGB"))
    return np.repeat(grey.astype(np.uint8)[..., None], 3, axis=2)


def _sample_error(kind: str, error: Exception) -> SampleError:
    text = str(error) or type(error).__name__
    if isinstance(error, UnidentifiedImageError):  # whose own text is an address in memory
        text = "header is broken or cut off"
    if isinstance(error, Image.DecompressionBombError):
        return SampleError(Stage.DECODE, Reason.TOO_MANY_PIXELS, f"{kind}: {text}")
    cut = isinstance(error, EOFError) or any(
        mark in text.lower() for mark in ("truncated", "unexpected end", "not enough")
    )
    return SampleError(Stage.DECODE, Reason.TRUNCATED if cut else Reason.CORRUPT, f"{kind}: {text}")
