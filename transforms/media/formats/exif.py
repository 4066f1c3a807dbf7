"""The orientation of a picture in its EXIF block or XMP packet. Nothing else of them is read."""

from __future__ import annotations

import struct

_ORIENTATION = 0x0112
_FORMATS = {3: "H", 4: "I", 8: "h", 9: "i"}  # TIFF types of whole numbers: SHORT, LONG, SSHORT, SLONG
_ORDERS = {b"II*\0": "<", b"MM\0*": ">"}
_PREFIX = b"Exif\0\0"


def exif_orientation(block: bytes) -> int | None:
    """Read the orientation, 1 to 8, from a TIFF block with or without "Exif\\0\\0"; None if it holds none.

    An invalid value gives 1. A broken block says nothing about the pixels. One pass over at most 65,535
    entries.
    """
    while block.startswith(_PREFIX):
        block = block[len(_PREFIX) :]
    order = _ORDERS.get(block[:4])
    if order is None or len(block) < 8:
        return None
    (start,) = struct.unpack_from(f"{order}I", block, 4)
    if start + 2 > len(block):
        return None
    (entries,) = struct.unpack_from(f"{order}H", block, start)
    found = None
    for at in range(start + 2, start + 2 + 12 * entries, 12):
        if at + 12 > len(block):
            break
        tag, kind, count = struct.unpack_from(f"{order}HHI", block, at)
        if tag != _ORIENTATION:
            continue
        found = 1
        if kind in _FORMATS and count == 1:
            found = _valid(struct.unpack_from(order + _FORMATS[kind], block, at + 8)[0])
    return found


def xmp_orientation(packet: bytes) -> int:
    """Read the orientation from an XMP packet; 1 if it holds none."""
    mark = b"tiff:Orientation"
    at = packet.find(mark)
    if at < 0:
        return 1
    rest = packet[at + len(mark) : at + len(mark) + 3]
    for opening in (b'="', b">"):
        if rest.startswith(opening):
            digit = rest[len(opening) : len(opening) + 1]
            if digit.isdigit():
                return _valid(int(digit))
            return 1
    return 1


def _valid(value: int) -> int:
    if 1 <= value <= 8:
        return value
    return 1
