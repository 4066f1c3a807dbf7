"""Files of every format, whole and hostile, made byte by byte."""

from __future__ import annotations

import io
import struct
import zlib
from typing import Any

import cv2
import numpy as np
from PIL import Image
from skimage import data

LONG, SHORT, UNDEFINED = 4, 3, 7


def photo(height: int = 120, width: int = 160) -> Image.Image:
    return Image.fromarray(data.astronaut()).resize((width, height), Image.Resampling.BOX)


def save(image: Image.Image, format: str, **options: Any) -> bytes:
    out = io.BytesIO()
    image.save(out, format, **options)
    return out.getvalue()


def chunk(name: bytes, body: bytes, *, intact: bool = True) -> bytes:
    checksum = zlib.crc32(name + body) ^ (0 if intact else 1)
    return struct.pack(">I", len(body)) + name + body + struct.pack(">I", checksum)


def after_header(png: bytes, chunks: bytes) -> bytes:
    """A PNG with chunks put between its header and the rest."""
    return png[:33] + chunks + png[33:]


def exif_block(orientation: int = 6, order: str = "<", *, kind: int = SHORT, count: int = 1) -> bytes:
    head = b"II*\0" if order == "<" else b"MM\0*"
    entry = struct.pack(f"{order}HHI", 0x0112, kind, count) + struct.pack(f"{order}HH", orientation, 0)
    return head + struct.pack(f"{order}IH", 8, 1) + entry + bytes(4)


def tiff(entries: list[tuple[int, int, int, int]], body: bytes = b"") -> bytes:
    """A little-endian TIFF of (tag, type, count, value or offset), and bytes behind its directory."""
    directory = b"".join(struct.pack("<HHII", *entry) for entry in entries)
    return b"II*\0" + struct.pack("<IH", 8, len(entries)) + directory + bytes(4) + body


def gif_extension(label: int, blocks: list[bytes]) -> bytes:
    return b"!" + bytes([label]) + b"".join(bytes([len(block)]) + block for block in blocks) + b"\0"


def gif(before: bytes = b"", size: int = 80) -> bytes:
    """A GIF with blocks put before its picture."""
    whole = save(photo(size, size).quantize(16), "GIF")
    start = 13 + 3 * 2 ** ((whole[10] & 7) + 1)
    return whole[:start] + before + whole[start:]


def run_length_bmp(grey_HW: np.ndarray, body: bytes | None = None, *, bits: int = 8) -> bytes:
    """A BMP in BI_RLE8 or BI_RLE4, with a palette of greys."""
    height, width = grey_HW.shape
    if body is None:
        body = b"".join(_runs(row) + b"\0\0" for row in grey_HW[::-1]) + b"\0\1"
    colours = 2**bits
    palette = b"".join(struct.pack("<BBBB", *[i * 255 // (colours - 1)] * 3, 0) for i in range(colours))
    start = 14 + 40 + len(palette)
    compression = 1 if bits == 8 else 2
    sizes = (40, width, height, 1, bits, compression, len(body), 0, 0, colours, 0)
    info = struct.pack("<IiiHHIIiiII", *sizes)
    return b"BM" + struct.pack("<IHHI", start + len(body), 0, 0, start) + info + palette + body


def _runs(row: np.ndarray) -> bytes:
    out, at = bytearray(), 0
    while at < len(row):
        length = 1
        while at + length < len(row) and length < 255 and row[at + length] == row[at]:
            length += 1
        out += bytes([length, row[at]])
        at += length
    return bytes(out)


def grey(height: int = 90, width: int = 100) -> np.ndarray:
    small: np.ndarray = cv2.resize(data.camera(), (width, height), interpolation=cv2.INTER_AREA)
    return small
