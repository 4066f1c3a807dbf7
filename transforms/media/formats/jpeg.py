"""The segments of a JPEG file (ITU-T T.81, annex B) before its first scan, read without decoding."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

# Frame headers that 8-bit decoders handle: baseline, extended, progressive, and the last two with arithmetic
# coding.
DECODABLE = {
    0xC0: "baseline",
    0xC1: "extended",
    0xC2: "progressive",
    0xC9: "arithmetic",
    0xCA: "arithmetic progressive",
}
_FRAMES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}  # SOF0..SOF15, less DHT, JPG and DAC
_PROGRESSIVE = frozenset([0xC2, 0xC6, 0xCA, 0xCE])
_ARITHMETIC = frozenset(range(0xC9, 0xD0))
_BARE = frozenset([0x01, *range(0xD0, 0xD8)])  # TEM, RST0..7: no length follows
_SOI, _EOI, _SOS, _APP1, _ADOBE = 0xD8, 0xD9, 0xDA, 0xE1, 0xEE
_EXIF = b"Exif\x00\x00"
_MAX_MARKERS = 100_000  # before the first scan, fill bytes counted
# Warnings of libjpeg-turbo (jerror.h) that leave every pixel in place, and a chroma subsampling that only
# TurboJPEG's interface does not know
_HARMLESS = (
    "Could not determine subsampling",
    "extraneous bytes before marker",
    "Invalid SOS parameters",
    "Adobe color transform",
    "JFIF revision number",
)
BAD_PROFILE = "bad ICC marker"  # in libjpeg-turbo's message
_BEFORE_RESTART = re.compile("before marker 0xd[0-7]")


class JpegError(ValueError):
    """The segments before the first scan are cut off or broken."""


@dataclass(frozen=True, slots=True)
class JpegHeader:
    """The frame header, and the facts that the decoder needs beforehand."""

    height: int
    width: int
    precision: int  # bits per sample
    frame: int  # code of the SOF marker, 0xC0..0xCF
    components: int  # 1 grey, 3 colour, 4 CMYK
    several_scans: bool  # progressive, or a scan per component
    exif: bytes  # the EXIF block from "Exif\0\0" on, b"" without one

    @property
    def is_arithmetic(self) -> bool:
        """Is the entropy coding arithmetic? It decodes ten times as slowly as Huffman coding."""
        return self.frame in _ARITHMETIC


def is_harmless(message: str) -> bool:
    """Does a message of libjpeg-turbo report a fault that changes no pixel? Pillow then decodes the file.

    Bytes before a restart marker are what is left of a damaged interval.
    """
    return any(mark in message for mark in _HARMLESS) and not _BEFORE_RESTART.search(message)


def read_header(data: bytes) -> JpegHeader:
    """Walk the segments up to the first scan. Raises JpegError if no frame header precedes it."""
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
            several = code in _PROGRESSIVE or data[start] < components
            return JpegHeader(
                height=height,
                width=width,
                precision=precision,
                frame=code,
                components=components,
                several_scans=several,
                exif=exif,
            )
    raise JpegError("no frame header before the first scan")


def count_scans(data: bytes) -> int:
    """Count the scans, those of a thumbnail included."""
    return data.count(bytes([0xFF, _SOS]))


def without_metadata(data: bytes) -> bytes | None:
    """Drop EXIF, XMP, thumbnails, profiles and comments, and keep every bit of the picture.

    JFIF (APP0) and Adobe's APP14 stay, because they define the colours. Returns None for a file that holds
    more than one picture, or other data after the first (a video, a second view).
    """
    out = [b"\xff\xd8"]
    for marker, start, end in _segments(data):
        if marker == _SOS:
            out.append(data[start - 4 :])
            break
        is_metadata = _APP1 <= marker <= 0xEF or marker == 0xFE
        if not is_metadata or marker == _ADOBE:
            out.append(b"\xff" + bytes([marker]) + data[start - 2 : end])
    kept = b"".join(out)
    if kept.endswith(b"\xff\xd9") and kept.count(b"\xff\xd9") == 1:
        return kept
    return None


def _segments(data: bytes) -> Iterator[tuple[int, int, int]]:
    """Yield (marker code, payload start, payload end) up to the first scan, as libjpeg finds them."""
    at = 2
    for _ in range(_MAX_MARKERS):
        at = data.find(b"\xff", at)
        if at < 0 or at + 4 > len(data):
            raise JpegError("ends before its first scan")
        marker = data[at + 1]
        if marker == 0xFF:  # a fill byte
            at += 1
            continue
        at += 2
        if marker == 0 or marker in _BARE:
            continue
        if marker in (_SOI, _EOI):
            raise JpegError("has no scan")
        end = at + int.from_bytes(data[at : at + 2], "big")
        if end > len(data):
            raise JpegError("ends before its first scan")
        if end < at + 2:
            raise JpegError("has a segment without a length")
        yield marker, at + 2, end
        if marker == _SOS:
            return
        at = end
    raise JpegError(f"has more than {_MAX_MARKERS} markers before its first scan")


def _shorts(data: bytes) -> tuple[int, ...]:
    return tuple(int.from_bytes(data[i : i + 2], "big") for i in range(0, len(data), 2))
