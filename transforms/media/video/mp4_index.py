"""The index of an MP4 or QuickTime file (ISO/IEC 14496-12), measured before a demuxer builds it in memory.

A demuxer makes an entry of some 24 bytes for each sample that the index claims. A few bytes can claim
billions: a table of equal sizes, fragments without sizes, or edits that repeat the whole track.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import IO

# Over all tracks and their edits: a day of video at 60 frames per second, and its sound.
MAX_SAMPLES = 10_000_000
_MAX_BOXES = 1_000_000  # a small file may hold millions of empty ones
_MAX_INDEX_BYTES = 512 * 1024 * 1024
_MAX_DEPTH = 12  # of boxes in boxes
_CONTAINERS = frozenset([b"moov", b"trak", b"mdia", b"minf", b"stbl", b"edts", b"moof", b"traf"])


class IndexTooLargeError(ValueError):
    """The index claims more samples than any video within the limits has."""


@dataclass
class _Track:
    samples: int = 0
    edits: int = 1
    is_sound: bool = False
    is_uncompressed: bool = False  # every sample lasts one tick

    @property
    def entries(self) -> int:
        """The entries of the demuxer's index. It indexes uncompressed sound by the chunk."""
        if self.is_sound and self.is_uncompressed:
            return 0
        return self.samples * self.edits


@dataclass
class _Counts:
    tracks: list[_Track] = field(default_factory=list)
    boxes: int = 0

    def check(self) -> None:
        total = sum(track.entries for track in self.tracks)
        if total > MAX_SAMPLES:
            raise IndexTooLargeError(f"its index claims {total} samples, more than {MAX_SAMPLES}")
        if self.boxes > _MAX_BOXES:
            raise IndexTooLargeError(f"its index has more than {_MAX_BOXES} boxes")


def check_index(stream: IO[bytes]) -> None:
    """Raise IndexTooLargeError for an index that takes gigabytes.

    Other files pass; the stream is left at its start.
    """
    counts = _Counts()
    stream.seek(0)
    try:
        for name, size in _top_level(stream, counts):
            if name in (b"moov", b"moof"):
                if size > _MAX_INDEX_BYTES:
                    raise IndexTooLargeError(f"its index has {size} bytes, more than {_MAX_INDEX_BYTES}")
                _count(memoryview(stream.read(size)), counts, 1)
                counts.check()
    finally:
        stream.seek(0)


def _top_level(stream: IO[bytes], counts: _Counts) -> Iterator[tuple[bytes, int]]:
    """Yield (name, payload bytes) of each box, with the stream at its payload."""
    at = 0
    while True:
        head = stream.read(8)
        if len(head) < 8:
            return
        size, name = int.from_bytes(head[:4], "big"), head[4:]
        start = at + 8
        if size == 1:
            size = int.from_bytes(stream.read(8), "big")
            start += 8
        elif size == 0:  # up to the end of the file
            size = start - at + _MAX_INDEX_BYTES
        if size < start - at:
            return
        counts.boxes += 1
        counts.check()
        yield name, at + size - start
        at += size
        stream.seek(at)


def _count(payload: memoryview, counts: _Counts, depth: int) -> None:
    if depth > _MAX_DEPTH:
        return
    for name, body in _boxes(payload):
        counts.boxes += 1
        counts.check()
        if name == b"trak":
            counts.tracks.append(_Track())
        if name in _CONTAINERS:
            _count(body, counts, depth + 1)
        elif name == b"cmov":
            _count(_decompressed(body), counts, depth + 1)
        elif name == b"hdlr":
            _last(counts).is_sound = body[8:12] == b"soun"
        elif name == b"stts" and len(body) >= 16:
            _last(counts).is_uncompressed = struct.unpack_from(">I4xI", body, 4) == (1, 1)
        elif name in (b"stsz", b"stz2") and len(body) >= 12:
            _last(counts).samples += _tabled(name, body)
        elif name == b"trun" and len(body) >= 8:
            _last(counts).samples += struct.unpack_from(">I", body, 4)[0]
        elif name == b"elst" and len(body) >= 8:
            _last(counts).edits = max(1, min(struct.unpack_from(">I", body, 4)[0], len(body) // 12))


def _last(counts: _Counts) -> _Track:
    if not counts.tracks:
        counts.tracks.append(_Track())
    return counts.tracks[-1]


def _tabled(name: bytes, body: memoryview) -> int:
    """The sample count of a size table; where each sample has its own size, no more than the table holds."""
    size, count = struct.unpack_from(">II", body, 4)
    if name == b"stsz" and size:
        return int(count)
    smallest = 0.5 if name == b"stz2" else 4  # bytes of an entry
    return min(int(count), int((len(body) - 12) / smallest))


def _boxes(payload: memoryview) -> Iterator[tuple[bytes, memoryview]]:
    at = 0
    while at + 8 <= len(payload):
        size = int.from_bytes(payload[at : at + 4], "big")
        start = at + 8
        if size == 1:
            size = int.from_bytes(payload[start : start + 8], "big")
            start += 8
        elif size == 0:
            size = len(payload) - at
        if size < start - at:
            return
        yield bytes(payload[at + 4 : at + 8]), payload[start : at + size]
        at += size


def _decompressed(body: memoryview) -> memoryview:
    """The movie box inside QuickTime's compressed one."""
    for name, inner in _boxes(body):
        if name == b"cmvd":
            try:
                return memoryview(zlib.decompressobj().decompress(bytes(inner[4:]), _MAX_INDEX_BYTES))
            except zlib.error:
                return memoryview(b"")
    return memoryview(b"")
