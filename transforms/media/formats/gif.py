"""The blocks of a GIF file (GIF89a) up to its first picture."""

from __future__ import annotations

from transforms.media.formats.errors import corrupt, truncated

_MAX_BLOCKS = 100_000  # before the first picture, sub-blocks counted
_EXTENSION, _PICTURE, _TRAILER, _GRAPHIC_CONTROL = 0x21, 0x2C, 0x3B, 0xF9


def without_extensions(data: bytes) -> bytes:
    """Drop the comments and application data before the first picture, which decoders read slowly.

    The last graphic control extension stays: it holds the transparent colour. Raises SampleError (truncated,
    corrupt).
    """
    if len(data) < 13:
        raise truncated("gif: ends within its header")
    start = 13 + _table_bytes(data[10])
    at, control = start, b""
    for _ in range(_MAX_BLOCKS):
        if at >= len(data):
            raise truncated("gif: ends before its first picture")
        block = data[at]
        if block == _PICTURE:
            return data[:start] + control + data[at:]
        if block == _TRAILER:
            raise corrupt("gif: has no picture")
        if block != _EXTENSION:
            at += 1  # decoders skip unknown bytes
            continue
        end = _extension_end(data, at)
        if data[at + 1] == _GRAPHIC_CONTROL:
            control = data[at:end]
        at = end
    raise corrupt(f"gif: more than {_MAX_BLOCKS} blocks before its first picture")


def _table_bytes(flags: int) -> int:
    """Bytes of the colour table that a flags byte announces."""
    if flags & 0x80:
        return 3 << ((flags & 7) + 1)
    return 0


def _extension_end(data: bytes, at: int) -> int:
    at += 2
    for _ in range(_MAX_BLOCKS):
        if at >= len(data):
            raise truncated("gif: ends within an extension")
        length = data[at]
        at += 1 + length
        if not length:
            return at
    raise corrupt(f"gif: an extension of more than {_MAX_BLOCKS} blocks")
