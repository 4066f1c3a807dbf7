"""What an index knows a shard by, and whether it is still there."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

from schemas.errors import ConfigError
from storage.find import list_names
from storage.read import exists, file_info
from storage.tables import read_manifest
from storage.uris import is_remote

# What changes when a file is written anew: the first of these that its store tells. Locally that is the modification time.
MARKS = ("md5Hash", "crc32c", "ETag", "etag", "LastModified", "mtime", "created")


def identify(uris: Sequence[str]) -> dict[str, str]:
    """By each shard's place (absolute), what tells its bytes from others'. Raises ConfigError if one cannot be looked at.

    That is the SHA-256 of its manifest; where there is none its place, its size, and its store's checksum, tag or time.
    """
    sums: dict[str, dict[str, str]] = {}
    named: dict[str, str] = {}
    for uri in uris:
        place = uri if is_remote(uri) else str(Path(uri).resolve())
        folder, _, name = place.rpartition("/")
        if folder not in sums:
            try:
                sums[folder] = {row.shard: row.sha256 for row in read_manifest(folder)}
            except FileNotFoundError:
                sums[folder] = {}
        try:
            about = file_info(uri)
        except OSError as error:
            raise ConfigError(f"shard {uri} cannot be read: {error}") from None
        sha256 = sums[folder].get(name)
        mark = next((about[mark] for mark in MARKS if about.get(mark)), "")
        named[place] = f"sha256:{sha256}" if sha256 else f"file:{about['size']}:{mark}:{place}"
    return named


def vanished(shards: Iterable[str]) -> set[str]:
    """Those that are no longer there. Raises OSError or ConfigError if a store cannot be asked."""
    names: dict[str, set[str]] = {}
    gone: set[str] = set()
    for shard in shards:
        folder, _, name = shard.rpartition("/")
        if (
            folder not in names
        ):  # one question a folder; what it does not list (some stores list nothing) is asked for by name
            names[folder] = set(list_names(folder))
        if name not in names[folder] and not exists(shard):
            gone.add(shard)
    return gone
