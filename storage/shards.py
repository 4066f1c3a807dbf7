"""Shards, read and written: plain tars whose members are ``KEY.ext``, contiguous by key, from a whitelist of types.

No decoder that could run code is ever applied (webdataset's default ones unpickle ``.pyd`` and ``.pth``), and every
error names the shard and, where there is one, the key.
"""

from __future__ import annotations

import hashlib
import re
import tarfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import IO, cast

from schemas.clip import ClipMeta
from storage.files import open_uri

MEMBER = re.compile(r"(?:(?P<frame>\d{3})\.)?(?P<ext>jpg|jpeg|png|webp|mp4|txt|json)")
MAX_MEMBER_BYTES = 512 * 1024 * 1024


class ShardError(ValueError):
    """A shard that cannot be read on. The message names the shard, the key where known, and what to do."""


@dataclass(frozen=True, slots=True)
class RawSample:
    """One sample as bytes."""

    shard: str
    key: str
    members: dict[
        str, bytes
    ]  # extension after the key ("000.jpg", "mp4", "txt", "json") -> bytes, in tar order

    def meta(self) -> ClipMeta:
        """KEY.json, parsed. Raises ShardError."""
        try:
            return ClipMeta.from_json(self.members["json"])
        except (KeyError, ValueError) as error:
            raise ShardError(f"{self.shard}: {self.key}.json: {error}") from None


def iter_shard(uri: str, *, stream: IO[bytes] | None = None) -> Iterator[RawSample]:
    """Samples of one shard in order, read as a stream.

    Raises ShardError if the tar is truncated or corrupt, a member's type is not whitelisted, a key repeats, or a
    sample's members are not contiguous.
    """
    source = _Tail(stream if stream is not None else open_uri(uri))
    seen: set[str] = set()
    key, members = "", dict[str, bytes]()
    try:
        for name, data in _members(uri, source):
            base, _, ext = name.partition(".")
            if base != key:
                if members:
                    yield RawSample(uri, key, members)
                if base in seen:
                    raise ShardError(
                        f"{uri}: key {base} appears twice, or its members are not contiguous; make the shard again"
                    )
                seen.add(base)
                key, members = base, {}
            if ext in members:
                raise ShardError(f"{uri}: member {name} appears twice; make the shard again")
            members[ext] = data
        if members:
            yield RawSample(uri, key, members)
        if not source.ended():  # tarfile takes a cut between members, or inside a header, for the end
            raise ShardError(
                f"{uri}: truncated after key {key}: no end-of-archive mark; make the shard again"
            )
    except (tarfile.TarError, EOFError, OSError) as error:
        after = f" after key {key}" if key else ""
        raise ShardError(
            f"{uri}: truncated or unreadable{after}: {error}; run `zoetrope validate` and make the shard again"
        ) from error
    finally:
        if stream is None:
            source.close()


class _Tail:
    """A stream that remembers its last bytes, to see whether a tar ended with its mark (1,024 zero bytes)."""

    def __init__(self, stream: IO[bytes]) -> None:
        self._stream = stream
        self._tail = b""

    def read(self, size: int = -1) -> bytes:
        data = self._stream.read(size)
        self._tail = (self._tail + data[-1024:])[-1024:]
        return data

    def ended(self) -> bool:
        while self.read(1 << 16):
            pass
        return self._tail == bytes(1024)

    def close(self) -> None:
        self._stream.close()


def _members(uri: str, source: _Tail) -> Iterator[tuple[str, bytes]]:
    """Names and contents of the files in a tar.

    Plain headers, which are all that `ShardWriter` writes, are read here, in a fifth of the time that tarfile takes. Where
    another kind comes, tarfile goes on from there.
    """
    begun = False
    while True:
        header = source.read(tarfile.BLOCKSIZE)
        plain = _plain_header(header)
        if plain is None:
            break
        name, size = _checked(uri, *plain)
        blocks = size + -size % tarfile.BLOCKSIZE
        yield name, _whole(uri, name, source.read(blocks), blocks)[:size]
        begun = True
    if begun and (len(header) < tarfile.BLOCKSIZE or header == tarfile.NUL * tarfile.BLOCKSIZE):
        return  # the end, or a cut, which `_Tail.ended` tells from one
    with tarfile.open(fileobj=cast("IO[bytes]", _Again(header, source)), mode="r|") as tar:
        for info in tar:
            if info.isfile():
                name, size = _checked(uri, info.name, info.size)
                extracted = tar.extractfile(info)
                yield name, _whole(uri, name, b"" if extracted is None else extracted.read(), size)


def _plain_header(header: bytes) -> tuple[str, int] | None:
    """Name and size of a regular file in USTAR's form, None for whatever else the block is."""
    if len(header) < tarfile.BLOCKSIZE or header[156] not in b"0\0" or header[345] or not header[0]:
        return None
    name = header[: tarfile.LENGTH_NAME].partition(b"\0")[0]
    try:
        size, checksum = int(header[124:136].rstrip(b"\0 "), 8), int(header[148:156].rstrip(b"\0 "), 8)
    except ValueError:
        return None
    if checksum != sum(header) - sum(header[148:156]) + 8 * ord(" ") or size < 0 or name.endswith(b"/"):
        return None
    return name.decode("utf-8", "surrogateescape"), size


def _checked(uri: str, name: str, size: int) -> tuple[str, int]:
    short = name.removeprefix("./")
    if "/" in short or not MEMBER.fullmatch(short.partition(".")[2]):
        raise ShardError(
            f"{uri}: member {name!r} is not one of KEY.txt, .json, .mp4, .NNN.jpg|png|webp; not a shard of ours"
        )
    if size > MAX_MEMBER_BYTES:
        raise ShardError(f"{uri}: member {short} says {size} bytes, over the limit of {MAX_MEMBER_BYTES}")
    return short, size


def _whole(uri: str, name: str, data: bytes, size: int) -> bytes:
    if len(data) != size:
        raise ShardError(
            f"{uri}: truncated in member {name} ({len(data)} of {size} bytes); make the shard again"
        )
    return data


class _Again:
    """A stream with a block put back at its front."""

    def __init__(self, block: bytes, rest: _Tail) -> None:
        self._block, self._rest = block, rest

    def read(self, size: int) -> bytes:
        taken, self._block = self._block[:size], self._block[size:]
        return taken + self._rest.read(size - len(taken)) if len(taken) < size else taken


class ShardWriter:
    """Writes samples to a stream as a USTAR tar whose bytes depend on keys and members alone.

    Owner 0/0 without names, mode 0644, time 0. Counts samples and bytes and hashes while writing, so that nothing is read
    again. `close` writes the end-of-archive blocks and leaves the stream open.
    """

    def __init__(self, stream: IO[bytes]) -> None:
        self._stream = stream
        self._hash = hashlib.sha256()
        self.samples = 0
        self.bytes = 0
        self.first_key = self.last_key = ""

    def write(self, key: str, members: Mapping[str, bytes]) -> None:
        """Append one sample: extension -> bytes, in the mapping's order."""
        blocks = [
            block for extension, data in members.items() for block in _tar_member(f"{key}.{extension}", data)
        ]
        self._put(b"".join(blocks))
        self.samples += 1
        self.first_key = self.first_key or key
        self.last_key = key

    def close(self) -> None:
        """End the archive (two zero blocks, padded to tar's 10,240-byte record)."""
        self._put(bytes(1024 + -(self.bytes + 1024) % tarfile.RECORDSIZE))

    @property
    def sha256(self) -> str:
        """Of everything written so far."""
        return self._hash.hexdigest()

    def _put(self, data: bytes) -> None:
        self._stream.write(data)
        self._hash.update(data)
        self.bytes += len(data)


def sample_size(members: Mapping[str, bytes]) -> int:
    """Bytes that a sample takes in a shard: headers and padding included."""
    return sum(512 + len(data) + -len(data) % 512 for data in members.values())


def _tar_member(name: str, data: bytes) -> tuple[bytes, bytes, bytes]:
    return tar_header(name, len(data)), data, bytes(-len(data) % 512)


def tar_header(name: str, size: int) -> bytes:
    """The USTAR header of a member, byte for byte as `tarfile` writes it, in a tenth of the time (and that under the GIL).

    Raises ValueError for a name of over 100 bytes or a size of 8 GiB or more, which USTAR cannot hold.
    """
    encoded = name.encode()
    if len(encoded) > tarfile.LENGTH_NAME or not 0 <= size < 8**11:
        raise ValueError(
            f"tar member {name!r} of {size} bytes: a name has at most 100 bytes, a member less than 8 GiB"
        )
    head = encoded.ljust(100, b"\0") + b"0000644\0" + b"0000000\0" * 2 + b"%011o\0" % size + b"00000000000\0"
    tail = b"0" + bytes(100) + b"ustar\x0000" + bytes(247)
    checksum = sum(head) + 8 * ord(" ") + sum(tail)
    return head + b"%06o\0 " % checksum + tail
