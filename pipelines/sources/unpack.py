"""Decompress a tar as a stream, within bounds: gzip, bzip2 and xz, recognised by their first bytes."""

from __future__ import annotations

import bz2
import lzma
import zlib
from collections.abc import Callable
from typing import IO, Any, Protocol

from schemas.text import human_bytes
from storage.shards.tar import Readable, TarError

CHUNK = 256 * 1024
MAX_XZ_MEMORY = 256 * 1024 * 1024  # an xz header can ask for 4 GB
MAX_RATIO = 200  # unpacked bytes per byte of the file; pictures and captions give under 10
ALWAYS_ALLOWED = 64 * 1024 * 1024  # unpacked bytes of any file
LONGEST_MAGIC = 6  # bytes, of xz


class _Decompressor(Protocol):
    """The interface that bz2 and lzma share."""

    eof: bool
    needs_input: bool
    unused_data: bytes

    def decompress(self, data: bytes, max_length: int = -1) -> bytes: ...


class _Gzip:
    """zlib's decompressor with the interface of the others."""

    def __init__(self) -> None:
        self._zlib = zlib.decompressobj(wbits=zlib.MAX_WBITS | 16)  # 16: a gzip header
        self.needs_input = True

    @property
    def eof(self) -> bool:
        return self._zlib.eof

    @property
    def unused_data(self) -> bytes:
        return self._zlib.unused_data

    def decompress(self, data: bytes, max_length: int = -1) -> bytes:
        unpacked = self._zlib.decompress(self._zlib.unconsumed_tail + data, max_length)
        self.needs_input = not self._zlib.unconsumed_tail
        return unpacked


MAGICS: dict[bytes, Callable[[], Any]] = {
    b"\x1f\x8b": _Gzip,
    b"BZh": bz2.BZ2Decompressor,
    b"\xfd7zXZ\0": lambda: lzma.LZMADecompressor(lzma.FORMAT_XZ, memlimit=MAX_XZ_MEMORY),
}
OTHERS = {
    b"PK\3\4": "a zip",
    b"\x28\xb5\x2f\xfd": "compressed by Zstandard",
    b"\x04\x22\x4d\x18": "compressed by LZ4",
    b"7z\xbc\xaf": "a 7-Zip archive",
    b"Rar!": "a RAR archive",
    b"PAR1": "Parquet",
}


def unpacked(stream: IO[bytes]) -> Readable:
    """The stream itself, or its decompressed bytes. Reading raises TarError for damaged data."""
    head = stream.read(LONGEST_MAGIC)
    stream.seek(0)
    for magic, kind in OTHERS.items():
        if head.startswith(magic):
            raise TarError(f"it is {kind}, not a tar; a tar may be compressed by gzip, bzip2 or xz")
    for magic, make in MAGICS.items():
        if head.startswith(magic):
            return _Unpacked(stream, make)
    return stream


class _Unpacked:
    """Decompressed bytes, read forwards; at most a chunk is held."""

    def __init__(self, stream: IO[bytes], make: Callable[[], Any]) -> None:
        self._stream = stream
        self._make = make
        self._decompressor: _Decompressor = make()
        self._input = b""
        self._bytes_in = 0
        self._bytes_out = 0

    def read(self, size: int, /) -> bytes:
        """Exactly `size` bytes, fewer at the end. Raises TarError."""
        parts = []
        while size > 0:
            try:
                part = self._some(size)
            except (zlib.error, lzma.LZMAError, OSError, EOFError, ValueError) as error:
                if isinstance(error, OSError) and error.errno is not None:
                    raise  # the file itself cannot be read; bz2 raises an OSError without a number
                raise TarError(f"its compressed data is damaged: {error}") from None
            if not part:
                break
            parts.append(part)
            size -= len(part)
        return b"".join(parts)

    def _some(self, most: int) -> bytes:
        """At least one byte, b'' at the end."""
        while True:
            if self._decompressor.eof:  # another member may follow, or zeros of padding
                rest = (self._decompressor.unused_data + self._input).lstrip(b"\0") or self._more().lstrip(
                    b"\0"
                )
                if not rest:
                    return b""
                self._input = rest
                self._decompressor = self._make()
            if not self._input and self._decompressor.needs_input:
                self._input = self._more()
                if not self._input:
                    raise EOFError("it is cut off")
            data = self._input
            self._input = b""
            part = self._decompressor.decompress(data, most)
            self._bytes_out += len(part)
            if self._bytes_out > ALWAYS_ALLOWED + MAX_RATIO * self._bytes_in:
                raise ValueError(
                    f"{human_bytes(self._bytes_in)} unpack to over {human_bytes(self._bytes_out)}"
                )
            if part:
                return part

    def _more(self) -> bytes:
        data = self._stream.read(CHUNK)
        self._bytes_in += len(data)
        return data
