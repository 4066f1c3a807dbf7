"""Read tars from strangers: plain headers, names and sizes, with bounds on all that a header can claim.

The reader takes regular members of USTAR, GNU and PAX tars. It skips folders, links and devices. It ends with
a `TarError` at a sparse member, a size that is negative or beyond 1 TiB, a header that is too large, or too
many extension headers in a row. Memory is bounded by what the caller reads: a header alone makes nothing
large.
"""

from __future__ import annotations

import tarfile
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol

BLOCK = tarfile.BLOCKSIZE
MAX_SIZE = 1 << 40  # bytes of one member
MAX_EXTENSION_BYTES = 1 << 20  # of a long name or a PAX header; some writers keep extended attributes there
MAX_EXTENSIONS = 16  # headers in a row that only describe the next member
MAX_LENGTH_DIGITS = 20  # of a PAX record
MAX_BLOCKS_BEHIND = 2048  # looked at after the end-of-archive mark; tar pads to 20 blocks
PIECE = 8 << 20  # bytes read at once: a claimed size alone must not allocate memory

_REGULAR = b"0\x007"
_LONG_NAME, _LONG_LINK, _PAX, _PAX_GLOBAL, _PAX_SOLARIS, _SPARSE = b"LKxgXS"
_WITHOUT_CONTENT = b"123456"  # links, devices, folders, pipes; their size field counts no bytes
_ZERO_BLOCK = bytes(BLOCK)


class TarError(ValueError):
    """A tar that cannot be read any further. The message says why, and does not name the file."""


class Readable(Protocol):
    """A stream, read forwards."""

    def read(self, size: int, /) -> bytes:
        """At most `size` bytes, b"" at the end."""


@dataclass(frozen=True, slots=True)
class TarMember:
    """A regular file in a tar."""

    name: str  # bytes that are not UTF-8 are surrogates
    size: int  # bytes
    offset: int  # of its content, from where reading began


class TarReader:
    """Iterates over the regular members of an uncompressed tar, in order. Raises TarError.

    `read` returns the content of the current member; unread content is skipped. With
    `seek`, content is skipped by seeking from the stream's beginning. `ended` is true once the end-of-archive
    mark was seen.
    """

    def __init__(self, stream: Readable, *, seek: bool = False) -> None:
        self._stream, self._seek = stream, seek
        self._position = 0
        self._left = 0  # bytes of the current member that were not read
        self._padding = 0  # bytes after it, up to the next block
        self.ended = False

    def __iter__(self) -> Iterator[TarMember]:
        long_name: bytes | None = None
        attributes: dict[bytes, bytes] = {}
        extensions = 0
        while (header := self._next_header()) is not None:
            kind, size = header[156], _number(header[124:136], "size")
            if kind in (_LONG_NAME, _LONG_LINK, _PAX, _PAX_GLOBAL, _PAX_SOLARIS):
                extensions += 1
                if extensions > MAX_EXTENSIONS:
                    raise TarError(f"over {MAX_EXTENSIONS} extension headers in a row")
                content = self._extension(size)
                if kind == _LONG_NAME:
                    long_name = content.partition(b"\0")[0]
                elif kind in (_PAX, _PAX_SOLARIS):
                    attributes = _pax_records(content)
                continue
            name = attributes.get(b"path") or long_name or _plain_name(header)
            if b"size" in attributes:
                size = _decimal(attributes[b"size"])
            self._check(kind, size, name, attributes)
            long_name, attributes, extensions = None, {}, 0
            is_folder = name.endswith(b"/")
            if kind in _WITHOUT_CONTENT or (is_folder and kind in _REGULAR):
                self._left = 0
            else:
                self._left = size
            self._padding = -self._left % BLOCK
            if kind in _REGULAR and not is_folder:
                yield TarMember(name.decode("utf-8", "surrogateescape"), size, self._position)

    def read(self) -> bytes:
        """The content of the current member, whole. Check its size first.

        Raises TarError if the tar ends before.
        """
        size, total = self._left, self._left + self._padding
        self._left = self._padding = 0
        if total <= PIECE:
            data = self._stream.read(total)
        else:
            data = self._read_in_pieces(total)
        self._position += len(data)
        if len(data) < size:
            raise TarError(f"cut off ({len(data)} of {size} bytes)")
        return data[:size]

    def _read_in_pieces(self, size: int) -> bytes:
        data = bytearray()
        while len(data) < size and (piece := self._stream.read(min(PIECE, size - len(data)))):
            data += piece
        return bytes(data)

    def goes_on(self) -> bool:
        """Does another header follow the end-of-archive mark? Tars that are joined byte by byte have one.

        Looks at a bounded number of blocks, and takes damage there for padding.
        """
        for _ in range(MAX_BLOCKS_BEHIND):
            try:
                block = self._stream.read(BLOCK)
            except TarError:
                return False
            if len(block) < BLOCK:
                return False
            if block != _ZERO_BLOCK:
                return _checksum_fits(block)
        return False

    def _next_header(self) -> bytes | None:
        """The next header block, None at the end-of-archive mark."""
        self._skip(self._left + self._padding)
        self._left = self._padding = 0
        header = self._stream.read(BLOCK)
        self._position += len(header)
        if len(header) < BLOCK:
            raise TarError("truncated: no end-of-archive mark")
        if header == _ZERO_BLOCK:
            self.ended = True
            return None
        if not _checksum_fits(header):
            raise TarError(f"no tar header at byte {self._position - BLOCK}: its checksum is wrong")
        return header

    def _skip(self, size: int) -> None:
        if self._seek and size:
            self._position += size
            self._stream.seek(self._position)  # type: ignore[attr-defined]
            return
        while size > 0:
            piece = self._stream.read(min(PIECE, size))
            if not piece:
                raise TarError("truncated inside a member")
            size -= len(piece)
            self._position += len(piece)

    def _extension(self, size: int) -> bytes:
        if not 0 <= size <= MAX_EXTENSION_BYTES:
            raise TarError(f"an extension header of {size} bytes")
        self._left, self._padding = size, -size % BLOCK
        return self.read()

    @staticmethod
    def _check(kind: int, size: int, name: bytes, attributes: dict[bytes, bytes]) -> None:
        shown = name[:100].decode("utf-8", "replace")
        if kind == _SPARSE or any(key.startswith(b"GNU.sparse.") for key in attributes):
            raise TarError(f"member {shown!r} is sparse")
        if not 0 <= size <= MAX_SIZE:
            raise TarError(f"member {shown!r} says {size} bytes")


def _plain_name(header: bytes) -> bytes:
    name = header[:100].partition(b"\0")[0]
    is_posix = header[257:263] == b"ustar\0"  # GNU's own format uses these bytes for times
    prefix = b""
    if is_posix:
        prefix = header[345:500].partition(b"\0")[0]
    if prefix:
        return prefix + b"/" + name
    return name


def _checksum_fits(header: bytes) -> bool:
    try:
        said = int(header[148:156].strip(b"\0 ") or b"0", 8)
    except ValueError:
        return False
    unsigned = sum(header) - sum(header[148:156]) + 8 * ord(" ")
    if said == unsigned:
        return True
    high = sum(byte > 127 for byte in header[:148] + header[156:])
    return said == unsigned - 256 * high  # some old writers sum signed characters


def _number(field: bytes, what: str) -> int:
    """An octal field, or GNU's base-256 form for large and negative numbers."""
    if field[0] == 0x80:
        return int.from_bytes(field[1:], "big")
    if field[0] == 0xFF:  # two's complement
        return int.from_bytes(field, "big", signed=True)
    try:
        return int(field.partition(b"\0")[0].strip() or b"0", 8)
    except ValueError:
        raise TarError(f"a header whose {what} is no number") from None


def _decimal(text: bytes) -> int:
    if not text.isdigit() or len(text) > MAX_LENGTH_DIGITS:
        raise TarError("a PAX header whose size is no number")
    return int(text)


def _pax_records(content: bytes) -> dict[bytes, bytes]:
    """``LENGTH KEY=VALUE\\n`` records, in one pass."""
    records: dict[bytes, bytes] = {}
    position = 0
    while position < len(content) and content[position]:
        space = content.find(b" ", position, position + MAX_LENGTH_DIGITS + 1)
        digits = b""
        if space > 0:
            digits = content[position:space]
        end = 0
        if digits.isdigit():
            end = position + int(digits)
        if end <= space + 1 or end > len(content):
            raise TarError("a damaged PAX header")
        key, _, value = content[space + 1 : end - 1].partition(b"=")
        records[key] = value
        position = end
    return records
