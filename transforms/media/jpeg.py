"""The segments of a JPEG file (ITU-T T.81, annex B): what stands before its pixels, read without decoding them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

# Frame headers that 8-bit decoders handle: baseline, extended, progressive, and the last two with arithmetic coding.
DECODABLE = {
    0xC0: "baseline",
    0xC1: "extended",
    0xC2: "progressive",
    0xC9: "arithmetic",
    0xCA: "arithmetic progressive",
}
_FRAMES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}  # SOF0..SOF15, less DHT, JPG and DAC
_BARE = frozenset([0x01, *range(0xD0, 0xD8)])  # TEM, RST0..7: no length follows
_SOI, _EOI, _SOS, _APP1, _ADOBE = 0xD8, 0xD9, 0xDA, 0xE1, 0xEE
_EXIF = b"Exif\x00\x00"
# Warnings of libjpeg-turbo (jerror.h) that leave every pixel in place
_HARMLESS = (
    "extraneous bytes before marker",
    "Invalid SOS parameters",
    "Adobe color transform",
    "JFIF revision number",
)


class JpegError(ValueError):
    """The segments end before the pixels begin, or make no sense."""


@dataclass(frozen=True, slots=True)
class JpegHeader:
    """The frame header and what else the decoder wants to know beforehand."""

    height: int
    width: int
    precision: int  # bits a sample
    frame: int  # the SOF marker's code, 0xC0..0xCF
    components: int  # 1 grey, 3 colour, 4 CMYK
    several_scans: bool  # progressive, or the components one after the other
    exif: bytes  # the EXIF block from its "Exif\0\0" on, b"" without one


def is_harmless(message: str) -> bool:
    """Does this message of libjpeg-turbo report something that changes no pixel? Pillow then decodes the file."""
    return any(mark in message for mark in _HARMLESS)


def read_header(data: bytes) -> JpegHeader:
    """Walk the segments up to the first scan. Raises JpegError if there is no frame header before it."""
    frame, exif = None, b""
    for marker, start, end in _segments(data):
        if marker in _FRAMES:
            if end - start < 6:
                raise JpegError("frame header is cut off")
            frame = (marker, data[start], *_shorts(data[start + 1 : start + 5]), data[start + 5])
        elif marker == _APP1 and not exif and data.startswith(_EXIF, start):
            exif = data[start:end]
        elif marker == _SOS and frame is not None:
            code, precision, height, width, components = frame
            several = code in (0xC2, 0xC6, 0xCA, 0xCE) or data[start] < components
            return JpegHeader(height, width, precision, code, components, several, exif)
    raise JpegError("no frame header before the first scan")


def without_metadata(data: bytes) -> bytes | None:
    """The same picture, bit for bit, without EXIF, XMP, thumbnails, profiles and comments; None if it cannot be told apart.

    Keeps JFIF (APP0) and Adobe's APP14, which say how the numbers mean colours. None is the answer for files that carry
    more than one picture or anything behind the first (a video, a second view).
    """
    out = [b"\xff\xd8"]
    for marker, start, end in _segments(data):
        if marker == _SOS:
            out.append(data[start - 4 :])
            break
        if not (_APP1 <= marker <= 0xEF or marker == 0xFE) or marker == _ADOBE:
            out.append(b"\xff" + bytes([marker]) + data[start - 2 : end])
    kept = b"".join(out)
    return kept if kept.endswith(b"\xff\xd9") and kept.count(b"\xff\xd9") == 1 else None


def _segments(data: bytes) -> Iterator[tuple[int, int, int]]:
    """(marker code, payload start, payload end) up to the first scan's header; finds markers as libjpeg does."""
    at = 2
    while True:
        at = data.find(b"\xff", at)
        while 0 <= at < len(data) and data[at] == 0xFF:
            at += 1
        if at < 0 or at + 3 > len(data):
            raise JpegError("ends before its first scan")
        marker = data[at]
        at += 1
        if marker == 0 or marker in _BARE:
            continue
        if marker in (_SOI, _EOI):
            raise JpegError("has no scan")
        end = at + _shorts(data[at : at + 2])[0]
        if end < at + 2 or end > len(data):
            raise JpegError(
                "ends before its first scan" if end > len(data) else "has a segment without a length"
            )
        yield marker, at + 2, end
        if marker == _SOS:
            return
        at = end


def _shorts(data: bytes) -> tuple[int, ...]:
    return tuple(int.from_bytes(data[i : i + 2], "big") for i in range(0, len(data), 2))
