"""Random access to one sample of a shard: headers are scanned once, members read by offset."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass
from threading import Lock
from typing import IO

from storage.read import open_uri
from storage.shards.read import MAX_SAMPLE_BYTES, MEMBER, RawSample, ShardError
from storage.shards.tar import TarError, TarReader


@dataclass(frozen=True, slots=True)
class MemberAt:
    """The place of a member's bytes in its shard."""

    extension: str  # after the key: "000.jpg", "txt", ...
    offset: int  # bytes from the start of the shard
    size: int  # bytes


def scan_members(stream: IO[bytes], uri: str) -> dict[str, list[MemberAt]]:
    """Key -> members of a shard, by reading headers and seeking over contents.

    Raises ShardError naming the shard.
    """
    found: dict[str, list[MemberAt]] = {}
    stream.seek(0)
    try:
        for member in TarReader(stream, seek=True):
            key, _, extension = member.name.removeprefix("./").partition(".")
            if MEMBER.fullmatch(extension):
                found.setdefault(key, []).append(MemberAt(extension, member.offset, member.size))
    except TarError as error:
        raise ShardError(f"{uri}: {error}; run `zoetrope validate` and make the shard again") from None
    return found


class ShardAccess:
    """Samples by shard and key, for several threads; keeps the headers of the last `keep` shards."""

    def __init__(self, keep: int = 32) -> None:
        self._keep = keep
        self._indexes: OrderedDict[str, dict[str, list[MemberAt]]] = OrderedDict()
        self._lock = Lock()

    def read(self, uri: str, key: str) -> RawSample:
        """One sample.

        Raises ShardError naming shard and key if it is not there, OSError if the shard cannot be opened.
        """
        with open_uri(uri) as stream:
            members = self._index(uri, stream).get(key)
            if not members:
                raise ShardError(f"{uri}: holds no sample {key}; run `zoetrope validate`")
            if sum(member.size for member in members) > MAX_SAMPLE_BYTES:
                raise ShardError(f"{uri}: sample {key} is over the limit of {MAX_SAMPLE_BYTES} bytes")
            return RawSample(uri, key, {m.extension: _read(stream, m, f"{uri}: {key}") for m in members})

    def _index(self, uri: str, stream: IO[bytes]) -> dict[str, list[MemberAt]]:
        with self._lock:
            if uri in self._indexes:
                self._indexes.move_to_end(uri)
                return self._indexes[uri]
        index = scan_members(stream, uri)
        with self._lock:
            self._indexes[uri] = index
            while len(self._indexes) > self._keep:
                self._indexes.popitem(last=False)
        return index


def _read(stream: IO[bytes], member: MemberAt, where: str) -> bytes:
    stream.seek(member.offset)
    data = stream.read(member.size)
    if len(data) != member.size:
        raise ShardError(f"{where}.{member.extension} is cut off ({len(data)} of {member.size} bytes)")
    return data
