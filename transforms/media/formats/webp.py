"""The chunks of a WebP file (RFC 9649): canvas size and orientation."""

from __future__ import annotations

from collections.abc import Iterator

from transforms.media.formats.errors import corrupt, truncated
from transforms.media.formats.exif import exif_orientation, xmp_orientation

_MAX_CHUNKS = 100_000  # a small file may hold millions of empty ones


def webp_size(data: bytes) -> tuple[int, int]:
    """Read (height, width) of the canvas from the first chunk. Raises SampleError: truncated or corrupt."""
    if len(data) < 30 or len(data) < 8 + int.from_bytes(data[4:8], "little"):
        raise truncated(f"webp: {len(data)} bytes, fewer than its header states")
    chunk, body = data[12:16], data[20:30]
    if chunk == b"VP8X":
        return int.from_bytes(body[7:10], "little") + 1, int.from_bytes(body[4:7], "little") + 1
    if chunk == b"VP8L":
        bits = int.from_bytes(body[1:5], "little")
        return (bits >> 14 & 0x3FFF) + 1, (bits & 0x3FFF) + 1
    if chunk == b"VP8 ":
        return int.from_bytes(body[8:10], "little") & 0x3FFF, int.from_bytes(body[6:8], "little") & 0x3FFF
    raise corrupt(f"webp: its first chunk is {chunk!r}")


def webp_orientation(data: bytes) -> int:
    """Read the orientation, 1 to 8, from the chunks EXIF and XMP; 1 if they hold none."""
    exif: int | None = None
    xmp = 1
    for name, start, end in _chunks(data):
        if name == b"EXIF":
            exif = exif_orientation(data[start:end])
        elif name == b"XMP ":
            xmp = xmp_orientation(data[start:end])
    if exif is None:
        return xmp
    return exif


def _chunks(data: bytes) -> Iterator[tuple[bytes, int, int]]:
    at = 12
    for _ in range(_MAX_CHUNKS):
        if at + 8 > len(data):
            return
        size = int.from_bytes(data[at + 4 : at + 8], "little")
        yield data[at : at + 4], at + 8, min(at + 8 + size, len(data))
        at += 8 + size + size % 2
