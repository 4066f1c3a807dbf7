"""The header of a BMP file."""

from __future__ import annotations

_RUN_LENGTH = (b"\1\0\0\0", b"\2\0\0\0")  # biCompression: BI_RLE8, BI_RLE4


def is_run_length(data: bytes) -> bool:
    """Are the pixels run-length-coded? Headers of less than 40 bytes know no compression."""
    return int.from_bytes(data[14:18], "little") >= 40 and data[30:34] in _RUN_LENGTH
