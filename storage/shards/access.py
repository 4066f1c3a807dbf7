"""Random access to one sample of a shard: headers are scanned once, members read by offset."""

from __future__ import annotations

import os
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


Members = dict[str, list[MemberAt]]  # by key


def scan_members(stream: IO[bytes], uri: str) -> Members:
    """Key -> members of a shard, by reading headers and seeking over contents.

    Raises ShardError naming the shard.
    """
    found: Members = {}
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
    """Samples by shard and key, for several threads; keeps the headers of the last `keep` shards.

    They are read again if the shard was replaced: its size shows it, and on a disk its time too.
    """

    def __init__(self, keep: int = 32) -> None:
        self._keep = keep
        self._indexes: OrderedDict[str, tuple[tuple[int, ...], Members]] = OrderedDict()
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

    def _index(self, uri: str, stream: IO[bytes]) -> Members:
        state = _state(stream)
        with self._lock:
            kept = self._indexes.get(uri)
            if kept is not None and kept[0] == state:
                self._indexes.move_to_end(uri)
                return kept[1]
        index = scan_members(stream, uri)
        with self._lock:
            self._indexes[uri] = (state, index)
            self._indexes.move_to_end(uri)
            while len(self._indexes) > self._keep:
                self._indexes.popitem(last=False)
        return index


def _state(stream: IO[bytes]) -> tuple[int, ...]:
    """Size, and on a disk time and inode: another shard of the same name has others."""
    try:
        about = os.fstat(stream.fileno())
    except OSError:  # an object of a store
        return (stream.seek(0, os.SEEK_END),)
    return about.st_size, about.st_mtime_ns, about.st_ino


def _read(stream: IO[bytes], member: MemberAt, where: str) -> bytes:
    stream.seek(member.offset)
    data = stream.read(member.size)
    if len(data) != member.size:
        raise ShardError(f"{where}.{member.extension} is cut off ({len(data)} of {member.size} bytes)")
    return data
