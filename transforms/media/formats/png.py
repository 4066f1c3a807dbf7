"""The chunks of a PNG file (W3C PNG, third edition): size, orientation, and the chunks of the pixels."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass

from transforms.media.formats.errors import corrupt, truncated
from transforms.media.formats.exif import exif_orientation, xmp_orientation

_SIGNATURE = 8  # bytes
_PIXELS = frozenset([b"IHDR", b"PLTE", b"tRNS", b"IDAT", b"IEND"])
_TEXTS = frozenset([b"tEXt", b"zTXt", b"iTXt"])
_MAX_CHUNKS = 500_000  # a small file may hold millions of empty ones
_MAX_TEXT = 1 << 20  # bytes of one text, decompressed


@dataclass(frozen=True, slots=True)
class PngHeader:
    """The parts of a PNG file that are known without decoding."""

    size: tuple[int, int]  # (height, width) as stored, pixels
    orientation: int  # EXIF, 1 to 8
    pixels: bytes  # a PNG file of the chunks that make the pixels; other chunks and their faults are dropped


def read_png(data: bytes) -> PngHeader:
    """Read the chunks. Raises SampleError (truncated, corrupt) without a header, and for chunks without end.

    An ancillary chunk with a wrong checksum is ignored, as browsers and libpng ignore it.
    """
    if len(data) < _SIGNATURE + 25:
        raise truncated("png: ends within its header")
    if data[12:16] != b"IHDR":
        raise corrupt(f"png: its first chunk is {data[12:16]!r}, not IHDR")
    width, height = struct.unpack_from(">II", data, 16)
    exif: int | None = None
    raw: int | None = None
    xmp = 1
    kept = [data[:_SIGNATURE]]
    for name, start, end in _chunks(data):
        if name in _PIXELS:
            if name != b"tRNS" or _is_intact(data, start, end):
                kept.append(data[start:end])
        elif name == b"eXIf" and _is_intact(data, start, end):
            exif = exif_orientation(data[start + 8 : end - 4])
        elif name in _TEXTS and _is_intact(data, start, end):
            key, text = _text(name, data[start + 8 : end - 4])
            if key == b"Raw profile type exif":
                raw = _raw_profile(text)
            elif key == b"XML:com.adobe.xmp":
                xmp = xmp_orientation(text)
    found = exif if exif is not None else raw
    return PngHeader((height, width), xmp if found is None else found, b"".join(kept))


def _chunks(data: bytes) -> Iterator[tuple[bytes, int, int]]:
    """Yield (name, start, end) of each chunk; `end` of a chunk that is cut off is the end of the file."""
    at = _SIGNATURE
    for _ in range(_MAX_CHUNKS):
        if at + 8 > len(data):
            return
        length = int.from_bytes(data[at : at + 4], "big")
        name = data[at + 4 : at + 8]
        end = min(at + 12 + length, len(data))
        yield name, at, end
        if name == b"IEND":
            return
        at = end
    raise corrupt(f"png: more than {_MAX_CHUNKS} chunks")


def _is_intact(data: bytes, start: int, end: int) -> bool:
    whole = end - start == 12 + int.from_bytes(data[start : start + 4], "big")
    return whole and zlib.crc32(data[start + 4 : end - 4]) == int.from_bytes(data[end - 4 : end], "big")


def _text(name: bytes, body: bytes) -> tuple[bytes, bytes]:
    """Key and text of a text chunk; the text is empty where it cannot be read."""
    key, _, rest = body.partition(b"\0")
    if name == b"tEXt":
        return key, rest
    if name == b"zTXt":
        return key, _inflated(rest[1:])
    is_compressed = rest[:1] == b"\1"
    text = rest[2:].partition(b"\0")[2].partition(b"\0")[2]  # after the language and the translated key
    return key, _inflated(text) if is_compressed else text


def _inflated(data: bytes) -> bytes:
    try:
        return zlib.decompressobj().decompress(data, _MAX_TEXT)
    except zlib.error:
        return b""


def _raw_profile(text: bytes) -> int | None:
    """The orientation in ImageMagick's form of EXIF: three lines of heading, then hexadecimal digits."""
    try:
        return exif_orientation(bytes.fromhex(b"".join(text.split(b"\n")[3:]).decode("ascii")))
    except ValueError:
        return None
