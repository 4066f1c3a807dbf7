"""Decompress a gzip, bzip2 or xz stream, with bounded memory and expansion.

The first bytes decide the format.
"""

from __future__ import annotations

import bz2
import io
import lzma
import re
import zlib
from typing import IO, Any, Protocol, cast

READ = 256 * 1024  # compressed bytes per read, and most bytes that one step may give
XZ_MEMORY = 256 << 20  # bytes; a header can ask for 4 GiB
FREE_BYTES = 64 << 20  # decompressed bytes without a look at the ratio
MAX_RATIO = 200  # decompressed over compressed bytes; tars of pictures and texts stay far below


class CompressionError(ValueError):
    """A stream that cannot be decompressed any further. The message says why, and does not name the file."""


class _Decompressor(Protocol):
    eof: bool
    unused_data: bytes

    def decompress(self, data: bytes, max_length: int) -> bytes: ...


def decompressed(stream: IO[bytes]) -> IO[bytes]:
    """The same stream, or a forward-only stream of its decompressed bytes.

    Reading the latter raises CompressionError for damaged data, for data that ends early, and for data that
    expands beyond MAX_RATIO.
    """
    if hasattr(stream, "peek"):
        buffered = stream
    else:
        buffered = io.BufferedReader(cast("Any", stream), READ)
    head = cast("io.BufferedReader", buffered).peek(10)[:10]
    for magic, make in _FORMATS:
        if re.match(magic, head, re.DOTALL):
            return cast(
                "IO[bytes]", io.BufferedReader(_Decompressed(cast("IO[bytes]", buffered), make), READ)
            )
    return cast("IO[bytes]", buffered)


class _Gzip:
    """zlib's object for gzip, with the interface of the others."""

    def __init__(self) -> None:
        self._inner = zlib.decompressobj(wbits=31)

    @property
    def eof(self) -> bool:
        return self._inner.eof

    @property
    def unused_data(self) -> bytes:
        return self._inner.unused_data

    @property
    def needs_input(self) -> bool:
        return not self._inner.unconsumed_tail

    def decompress(self, data: bytes, max_length: int) -> bytes:
        return self._inner.decompress(self._inner.unconsumed_tail + data, max_length)


def _xz() -> lzma.LZMADecompressor:
    return lzma.LZMADecompressor(lzma.FORMAT_XZ, memlimit=XZ_MEMORY)


_FORMATS = (  # first bytes, as a regex, and the decompressor
    (rb"\x1f\x8b", _Gzip),
    (rb"BZh[1-9](1AY&SY|\x17rE8P\x90)", bz2.BZ2Decompressor),
    (rb"\xfd7zXZ\0", _xz),
)


class _Decompressed(io.RawIOBase):
    """Decompresses one or more streams in a row."""

    def __init__(self, source: IO[bytes], make: Any) -> None:
        self._source, self._make = source, make
        self._inner = make()
        self._waiting = b""  # compressed bytes of the next stream
        self._in = self._out = 0

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        try:
            data = self._step(min(len(buffer), READ))
        except (zlib.error, lzma.LZMAError, OSError, EOFError) as error:
            raise CompressionError(f"damaged compressed data: {error}") from error
        self._out += len(data)
        if self._out > FREE_BYTES and self._out > MAX_RATIO * self._in:
            raise CompressionError(f"compressed data that expands more than {MAX_RATIO}-fold")
        buffer[: len(data)] = data
        return len(data)

    def _step(self, most: int) -> bytes:
        """Some decompressed bytes, b"" at the end."""
        while True:
            if self._inner.eof:
                self._waiting = self._inner.unused_data or self._read()
                if not self._waiting.lstrip(b"\0"):  # the end, or padding
                    return b""
                self._inner = self._make()
            compressed, self._waiting = self._waiting, b""
            is_last = False
            if not compressed and self._inner.needs_input:
                compressed = self._read()
                is_last = not compressed
            data: bytes = self._inner.decompress(compressed, most)
            if data:
                return data
            if is_last and not self._inner.eof:
                raise CompressionError("compressed data that ends early")

    def _read(self) -> bytes:
        data = self._source.read(READ)
        self._in += len(data)
        return data

    def close(self) -> None:
        self._source.close()
        super().close()
