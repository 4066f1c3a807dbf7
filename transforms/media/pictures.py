"""Encoded pictures to 8-bit RGB: the formats that carry photographs on the web.

The header comes first: size and limits are checked before any pixel is decoded. JPEG goes through
libjpeg-turbo (simplejpeg), run-length-coded BMP through OpenCV, other formats through Pillow; all release the
GIL. Colour profiles are not applied: the numbers in the file are taken as sRGB, as common training pipelines
take them.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import simplejpeg
from pydantic import Field

from schemas.config import Config
from schemas.records import Reason, SampleError, Stage
from transforms.media.formats import jpeg
from transforms.media.formats.bmp import is_run_length
from transforms.media.formats.errors import corrupt, too_many_pixels, truncated, unsupported
from transforms.media.formats.exif import exif_orientation
from transforms.media.formats.gif import without_extensions
from transforms.media.formats.png import read_png
from transforms.media.formats.sniff import sniff
from transforms.media.formats.tiff import check_tiff
from transforms.media.formats.webp import webp_orientation, webp_size
from transforms.media.opencv import decode_by_opencv
from transforms.media.pillow import decode_by_pillow, open_picture

_MAX_SCANS = 200  # cameras and encoders write about ten
# A scan costs a pass over the picture: up to 16 ns per pixel by Huffman coding, up to 175 ns by arithmetic
# coding.
_MAX_SCANNED, _MAX_SCANNED_ARITHMETIC = 1_500_000_000, 500_000_000  # pixels x scans
_TURNS = {  # EXIF orientation -> upright [H,W,C]
    2: lambda a: a[:, ::-1],
    3: lambda a: a[::-1, ::-1],
    4: lambda a: a[::-1],
    5: lambda a: a.swapaxes(0, 1),
    6: lambda a: a[::-1].swapaxes(0, 1),
    7: lambda a: a[::-1, ::-1].swapaxes(0, 1),
    8: lambda a: a[:, ::-1].swapaxes(0, 1),
}


class PictureLimits(Config):
    """The pictures that are accepted. The header is checked before any pixel is decoded."""

    max_pixels: int = Field(
        50_000_000, ge=1, le=89_000_000, description="largest picture, pixels (width x height)"
    )
    min_side: int = Field(64, ge=1, le=65_535, description="smallest shorter side, pixels")
    max_aspect: float = Field(5.0, ge=1.0, le=1000.0, description="largest longer side over shorter side")


@dataclass(frozen=True, slots=True)
class Header:
    """The facts about a picture that are known before it is decoded."""

    format: str  # jpeg | png | webp | gif | bmp | tiff | avif
    size: tuple[int, int]  # (height, width) in pixels, upright: EXIF orientation applied
    orientation: int  # EXIF, 1 to 8; 1 for upright
    jpeg: jpeg.JpegHeader | None = None


@dataclass(frozen=True, slots=True)
class Picture:
    """A decoded picture."""

    image_HWC: np.ndarray  # uint8 RGB, contiguous, upright
    original_size: tuple[int, int]  # (height, width) before any reduction, upright
    format: str
    # The part of image_HWC, down and across, that the picture fills. It is (1, 1), except for JPEGs at a
    # reduced scale that does not divide their sides: there the last row or column is partly outside.
    # Fractions times `extent` stay exact.
    extent: tuple[float, float] = (1.0, 1.0)


def read_header(data: bytes, limits: PictureLimits) -> Header:
    """Read format, upright size and orientation, without decoding.

    Raises SampleError (stage decode): empty_body, not_an_image, unsupported_format, truncated, corrupt,
    too_many_pixels, too_small, bad_aspect.
    """
    kind = sniff(data)
    read = {"jpeg": _jpeg_header, "png": _png_header, "webp": _webp_header, "tiff": _tiff_header}
    header = read.get(kind, _other_header)(data, kind, limits)
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
    """Decode a picture to 8-bit RGB, upright, alpha over white.

    `need` is the smallest (height, width), upright, that the decoded picture must have. A JPEG at least twice
    as large is decoded at 1/2, 1/4 or 1/8 scale. `exact` allows only scales that divide both sides. `header`
    saves reading it again.

    Raises SampleError (stage decode): those of `read_header`, and truncated or corrupt where pixels are
    missing.
    """
    header = header or read_header(data, limits)
    try:
        if header.jpeg is not None and header.jpeg.components != 4:
            pixels, extent = _decode_jpeg(data, header, need, exact)
        else:
            pixels, extent = _decode_other(data, header), (1.0, 1.0)
    except MemoryError:
        raise corrupt(f"{header.format}: needs more memory than the machine has") from None
    if turn := _TURNS.get(header.orientation):
        pixels = turn(pixels)
    return Picture(np.ascontiguousarray(pixels), header.size, header.format, extent)


def _check_size(size: tuple[int, int], limits: PictureLimits) -> None:
    height, width = size
    short, long = min(size), max(size)
    text = f"{width}x{height} pixels"
    if height * width > limits.max_pixels:
        raise too_many_pixels(f"{text}, over pictures.max_pixels={limits.max_pixels}")
    if short < limits.min_side:
        detail = f"{text}, under pictures.min_side={limits.min_side}"
        raise SampleError(Stage.DECODE, Reason.TOO_SMALL, detail)
    if long > limits.max_aspect * short:
        detail = f"{text}, over pictures.max_aspect={limits.max_aspect:g}"
        raise SampleError(Stage.DECODE, Reason.BAD_ASPECT, detail)


def _upright(size: tuple[int, int], orientation: int) -> tuple[int, int]:
    if orientation >= 5:
        return (size[1], size[0])
    return size


# Headers


def _jpeg_header(data: bytes, kind: str, limits: PictureLimits) -> Header:
    try:
        frame = jpeg.read_header(data)
    except jpeg.JpegError as error:
        fault = corrupt
        if "ends before" in str(error):
            fault = truncated
        raise fault(f"jpeg: {error}") from None
    if frame.frame not in jpeg.DECODABLE or frame.precision != 8:
        raise unsupported(f"jpeg: SOF{frame.frame - 0xC0} with {frame.precision} bits a sample is not read")
    if not frame.height:  # the line count follows the scan, in a DNL segment
        raise unsupported("jpeg: a height that is stated after the picture is not read")
    if frame.several_scans:
        _check_scans(jpeg.count_scans(data), frame)
    orientation = exif_orientation(frame.exif) or 1
    return Header("jpeg", _upright((frame.height, frame.width), orientation), orientation, frame)


def _check_scans(scans: int, frame: jpeg.JpegHeader) -> None:
    if scans > _MAX_SCANS:
        raise corrupt(f"jpeg: {scans} scans, more than {_MAX_SCANS}")
    most = _MAX_SCANNED
    if frame.is_arithmetic:
        most = _MAX_SCANNED_ARITHMETIC
    if scans * frame.height * frame.width > most:
        raise corrupt(
            f"jpeg: {scans} scans of {frame.width}x{frame.height} pixels, more than {most} pixels to scan"
        )


def _png_header(data: bytes, kind: str, limits: PictureLimits) -> Header:
    png = read_png(data)
    return Header("png", _upright(png.size, png.orientation), png.orientation)


def _webp_header(data: bytes, kind: str, limits: PictureLimits) -> Header:
    orientation = webp_orientation(data)
    return Header("webp", _upright(webp_size(data), orientation), orientation)


def _tiff_header(data: bytes, kind: str, limits: PictureLimits) -> Header:
    check_tiff(data, limits.max_pixels)
    with open_picture(data, "tiff") as image:  # Pillow states the upright size and turns the pixels itself
        return Header("tiff", (image.height, image.width), 1)


def _other_header(data: bytes, kind: str, limits: PictureLimits) -> Header:
    with open_picture(_decodable(data, kind), kind) as image:
        orientation = exif_orientation(image.info.get("exif") or b"") or 1
        return Header(kind, _upright((image.height, image.width), orientation), orientation)


# Pixels


def _decode_jpeg(
    data: bytes, header: Header, need: tuple[int, int] | None, exact: bool
) -> tuple[np.ndarray, tuple[float, float]]:
    size = _upright(header.size, header.orientation)  # as stored; turning twice undoes it
    scale = 1
    if need:
        # The partial row or column of a turned picture would be at the other side, where `extent` cannot
        # describe it.
        scale = _jpeg_scale(size, _upright(need, header.orientation), exact or header.orientation != 1)
    height, width = -(-size[0] // scale), -(-size[1] // scale)
    smaller = {}
    if scale > 1:
        smaller = {"min_height": height, "min_width": width}
    try:
        pixels = simplejpeg.decode_jpeg(data, "RGB", **smaller)
    except ValueError as error:
        text = str(error)
        if jpeg.BAD_PROFILE in text:  # no pixel depends on it, and the message hides those of the pixels
            bare = jpeg.without_metadata(data)
            if bare is not None and len(bare) < len(data):
                return _decode_jpeg(bare, header, need, exact)
        if jpeg.is_harmless(text):
            return decode_by_pillow(data, "jpeg"), (1.0, 1.0)
        fault = corrupt
        if "Premature end of JPEG file" in text:
            fault = truncated
        raise fault(f"jpeg: {text}") from None
    if pixels.shape[:2] != (height, width):
        raise corrupt(f"jpeg: decodes to {pixels.shape[1]}x{pixels.shape[0]} pixels")
    return pixels, (size[0] / scale / height, size[1] / scale / width)


def _jpeg_scale(size: tuple[int, int], need: tuple[int, int], exact: bool) -> int:
    # libjpeg-turbo has vector code for these scales. Others can take longer than the full one.
    for scale in (8, 4, 2):
        whole = all(side % scale == 0 for side in size)
        enough = all(-(-side // scale) >= least for side, least in zip(size, need, strict=True))
        if enough and (whole or not exact):
            return scale
    return 1


def _decode_other(data: bytes, header: Header) -> np.ndarray:
    if header.format == "bmp" and is_run_length(data):
        return _decode_run_length(data, header.size)
    return decode_by_pillow(_decodable(data, header.format), header.format)


def _decodable(data: bytes, kind: str) -> bytes:
    """Drop the parts that no pixel depends on, where they make Pillow slow or make it refuse the file."""
    if kind == "png":
        return read_png(data).pixels
    if kind == "gif":
        return without_extensions(data)
    return data


def _decode_run_length(data: bytes, size: tuple[int, int]) -> np.ndarray:
    """Decode a run-length-coded BMP by OpenCV, in a fiftieth of the time that Pillow takes."""
    picture = decode_by_opencv(data)
    if picture is None or picture.shape[:2] != size:
        raise truncated("bmp: its run-length-coded pixels are cut off or broken")
    return picture
