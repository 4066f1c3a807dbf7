"""Shards, read and written: plain tars whose members are ``KEY.ext``, contiguous by key, from a whitelist of types.

No decoder that could run code is ever applied (webdataset's default ones unpickle ``.pyd`` and ``.pth``), and every
error names the shard and, where there is one, the key.
"""

from __future__ import annotations

import re
import tarfile
from collections.abc import Iterator
from dataclasses import dataclass
from typing import IO, cast

from schemas.clip import ClipMeta
from storage.read import open_uri

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
