"""The first directory of a TIFF file (TIFF 6.0), checked before a decoder believes it."""

from __future__ import annotations

import struct
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from transforms.media.formats.errors import corrupt, too_many_pixels, truncated, unsupported

_TYPE_BYTES = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 6: 1, 7: 1, 8: 2, 9: 4, 10: 8, 11: 4, 12: 8, 13: 4}
_WHOLE = {1: "B", 3: "H", 4: "I"}
_MAX_PIECES = 300_000  # strips or tiles
_BITS, _STRIPS, _TILES, _TILE_WIDTH, _TILE_HEIGHT, _SAMPLE_FORMAT = 258, 273, 324, 322, 323, 339
_STRIP_BYTES, _TILE_BYTES = 279, 325
_LAYOUT = frozenset(
    [256, 257, _BITS, 259, 262, _STRIPS, 277, 278, _STRIP_BYTES, 284, _SAMPLE_FORMAT]
) | frozenset([_TILE_WIDTH, _TILE_HEIGHT, _TILES, _TILE_BYTES])
_FLOAT = 3
_BITS_READ = frozenset([1, 2, 4, 8, 12, 16])
_KIND, _INNER, _DNG = 254, 330, 50706  # NewSubfileType, SubIFDs, DNGVersion
_REDUCED = 1  # in NewSubfileType


@dataclass(frozen=True, slots=True)
class _Entry:
    tag: int
    kind: int
    count: int
    at: int  # of its values in the file


def check_tiff(data: bytes, max_pixels: int) -> None:
    """Raise SampleError for a directory that costs decoders unbounded memory or time.

    Also raised for samples that are not read, and for the raw files of cameras, whose first picture is a
    thumbnail. It checks for layout tags that come twice, for values that overlap or leave the file, and for
    the number of strips and tiles.
    """
    order = "<" if data[:2] == b"II" else ">"
    entries = list(_entries(data, order))
    _check_raw(data, order, {entry.tag: entry for entry in entries})
    for tag, count in Counter(entry.tag for entry in entries).items():
        if count > 1 and tag in _LAYOUT:  # readers differ in which one they believe
            raise corrupt(f"tiff: tag {tag} comes {count} times")
    if sum(entry.count * _TYPE_BYTES.get(entry.kind, 1) for entry in entries) > len(data) + 4096:
        raise corrupt("tiff: its tags hold more bytes than the file")
    by_tag = {entry.tag: entry for entry in entries}
    for tag in (_STRIPS, _TILES, _STRIP_BYTES, _TILE_BYTES):
        if tag in by_tag and by_tag[tag].count > _MAX_PIECES:
            raise corrupt(f"tiff: {by_tag[tag].count} strips or tiles, more than {_MAX_PIECES}")
    values = {
        tag: _first(data, order, by_tag.get(tag))
        for tag in (_TILE_WIDTH, _TILE_HEIGHT, _SAMPLE_FORMAT, _BITS)
    }
    tile = (values[_TILE_WIDTH] or 0, values[_TILE_HEIGHT] or 0)
    if tile[0] * tile[1] > max_pixels:  # decoders allocate whole tiles, however small the picture
        raise too_many_pixels(f"tiff: tiles of {tile[0]}x{tile[1]} pixels")
    if values[_SAMPLE_FORMAT] == _FLOAT:
        raise unsupported("tiff: float TIFF is not read")
    if (values[_BITS] or 1) not in _BITS_READ:
        raise unsupported(f"tiff: {values[_BITS]} bits a sample are not read")


def _check_raw(data: bytes, order: str, by_tag: Mapping[int, _Entry]) -> None:
    """Raise SampleError for DNG, CR2, NEF and their kin: their pictures are in directories further inside."""
    kind = _first(data, order, by_tag.get(_KIND)) or 0
    if _DNG in by_tag or data[8:10] == b"CR" or (_INNER in by_tag and kind & _REDUCED):
        raise unsupported("tiff: a camera's raw file is not read; convert it to JPEG, PNG or WebP")


def _entries(data: bytes, order: str) -> Iterator[_Entry]:
    if len(data) < 8:
        raise truncated("tiff: ends within its header")
    (start,) = struct.unpack_from(f"{order}I", data, 4)
    if start + 2 > len(data):
        raise truncated("tiff: ends before its directory")
    (count,) = struct.unpack_from(f"{order}H", data, start)
    if start + 2 + 12 * count > len(data):
        raise truncated("tiff: ends within its directory")
    for at in range(start + 2, start + 2 + 12 * count, 12):
        tag, kind, number = struct.unpack_from(f"{order}HHI", data, at)
        inside = number * _TYPE_BYTES.get(kind, 1) <= 4
        yield _Entry(
            tag, kind, number, at + 8 if inside else struct.unpack_from(f"{order}I", data, at + 8)[0]
        )


def _first(data: bytes, order: str, entry: _Entry | None) -> int | None:
    """The first value of an entry of whole numbers; None where there is none."""
    if entry is None or entry.kind not in _WHOLE or not entry.count:
        return None
    code = order + _WHOLE[entry.kind]
    if entry.at + struct.calcsize(code) > len(data):
        return None
    return int(struct.unpack_from(code, data, entry.at)[0])
