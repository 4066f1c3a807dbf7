"""Content identifiers of shards, and which indexed shards no longer exist."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

from schemas.errors import ConfigError
from storage.folders import list_names
from storage.read import exists, file_info
from storage.tables import read_manifest
from storage.uris import is_remote

# Marks that change when a file is rewritten. The first that its store has is used; locally it is the
# modification time.
MARKS = ("md5Hash", "crc32c", "ETag", "etag", "LastModified", "mtime", "created")


def identify(uris: Sequence[str]) -> dict[str, str]:
    """Map each shard's absolute path or URI to a content identifier.

    Raises ConfigError for a shard that cannot be read.

    It is the SHA-256 of the manifest. Without a manifest it is the path, the size, and the store's checksum,
    tag or time.
    """
    sums: dict[str, dict[str, str]] = {}
    named: dict[str, str] = {}
    for uri in uris:
        place = uri
        if not is_remote(uri):
            place = str(Path(uri).resolve())
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
        if sha256:
            named[place] = f"sha256:{sha256}"
        else:
            named[place] = f"file:{about['size']}:{mark}:{place}"
    return named


def vanished(shards: Iterable[str]) -> set[str]:
    """Return the shards that no longer exist. Raises OSError or ConfigError if a store does not answer."""
    names: dict[str, set[str]] = {}
    gone: set[str] = set()
    for shard in shards:
        folder, _, name = shard.rpartition("/")
        # One listing per folder. A shard that it does not name is asked for, since some stores list nothing.
        if folder not in names:
            names[folder] = set(list_names(folder))
        if name not in names[folder] and not exists(shard):
            gone.add(shard)
    return gone
