"""Read shards: plain tars whose members are ``KEY.ext``, contiguous by key, from a whitelist of types.

No decoder that could run code is ever applied (webdataset's default ones unpickle ``.pyd`` and ``.pth``).
Every error names the shard and, where there is one, the key. A sample is bounded in bytes, whatever its
headers claim.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import IO

from schemas.clip import ClipMeta
from schemas.errors import WorkError
from storage.read import open_uri
from storage.shards.tar import BLOCK, TarError, TarReader

MEMBER = re.compile(r"(?:(?P<frame>\d{3})\.)?(?P<ext>jpg|jpeg|png|webp|mp4|txt|json)")
MAX_MEMBER_BYTES = 512 * 1024 * 1024
MAX_SAMPLE_BYTES = 1024 * 1024 * 1024  # of all members of one key
END_MARK = bytes(2 * BLOCK)


class ShardError(WorkError, ValueError):
    """A shard that cannot be read any further.

    The message names the shard, the key where known, and what to do.
    """


@dataclass(frozen=True, slots=True)
class RawSample:
    """One sample as bytes."""

    shard: str
    key: str
    members: dict[str, bytes]  # extension after the key ("000.jpg", "mp4", "txt") -> bytes, in tar order

    def meta(self) -> ClipMeta:
        """KEY.json, parsed. Raises ShardError."""
        try:
            return ClipMeta.from_json(self.members["json"])
        except (KeyError, ValueError) as error:
            raise ShardError(f"{self.shard}: {self.key}.json: {error}") from None


def iter_shard(uri: str, *, stream: IO[bytes] | None = None) -> Iterator[RawSample]:
    """Samples of one shard in order, read as a stream.

    Raises ShardError for a tar that is truncated, corrupt or empty, as zeros after a power cut are. It raises
    the same for a member's type that is not whitelisted and for a sample that is too large. Keys must not
    repeat, and the members of a sample must be contiguous.
    """
    source = stream if stream is not None else open_uri(uri)
    seen: set[str] = set()
    key, members, size = "", dict[str, bytes](), 0
    try:
        for name, data in _members(uri, source):
            base, _, extension = name.partition(".")
            if base != key:
                if members:
                    yield RawSample(uri, key, members)
                if base in seen:
                    raise ShardError(
                        f"{uri}: key {base} appears twice, or its members are not contiguous; make the "
                        "shard again"
                    )
                seen.add(base)
                key, members, size = base, {}, 0
            if extension in members:
                raise ShardError(f"{uri}: member {name} appears twice; make the shard again")
            members[extension] = data
            size += len(data)
            if size > MAX_SAMPLE_BYTES:
                raise ShardError(f"{uri}: sample {key} is over the limit of {MAX_SAMPLE_BYTES} bytes")
        if not members:
            raise ShardError(f"{uri}: holds no samples; run `zoetrope validate` and make the shard again")
        yield RawSample(uri, key, members)
    except (TarError, EOFError, OSError) as error:
        after = f" after key {key}" if key else ""
        raise ShardError(
            f"{uri}: truncated or unreadable{after}: {error}; run `zoetrope validate` and make the shard "
            "again"
        ) from error
    finally:
        if stream is None:
            source.close()


def _members(uri: str, source: IO[bytes]) -> Iterator[tuple[str, bytes]]:
    """Names and contents of the files in a tar that ends with its end-of-archive mark."""
    reader = TarReader(source)
    for member in reader:
        name = _checked(uri, member.name, member.size)
        try:
            data = reader.read()
        except TarError as error:
            raise TarError(f"in member {name}: {error}") from None
        yield name, data
    # Reading ended at the first zero block. A tar that was cut off there does not end with a second one.
    tail = bytes(BLOCK)  # the block that ended the iteration
    while rest := source.read(1 << 16):
        tail = (tail + rest)[-len(END_MARK) :]
    if tail != END_MARK:
        raise TarError("no end-of-archive mark")


def _checked(uri: str, name: str, size: int) -> str:
    """The member's name without ``./``. Raises ShardError for a name or size that no shard has."""
    short = name.removeprefix("./")
    if "/" in short or not MEMBER.fullmatch(short.partition(".")[2]) or not _is_text(short):
        raise ShardError(
            f"{uri}: member {name!r} is not one of KEY.txt, .json, .mp4, .NNN.jpg|png|webp; not a shard "
            "of ours"
        )
    if size > MAX_MEMBER_BYTES:
        raise ShardError(f"{uri}: member {short} says {size} bytes, over the limit of {MAX_MEMBER_BYTES}")
    return short


def _is_text(name: str) -> bool:
    """Can the name be stored and printed? Names of other writers may hold bytes that are not UTF-8."""
    try:
        name.encode()
    except UnicodeEncodeError:
        return False
    return name.isprintable()
