"""Keys and seeds: the identity of a sample, and the source of its randomness."""

from __future__ import annotations

import hashlib
import re

KEY_PATTERN = re.compile(r"[a-z0-9_-]{1,90}")


def check_key(key: str) -> str:
    """Return the key if its characters are ``[a-z0-9_-]``, else raise ValueError.

    webdataset splits member names at the first dot. A key has at most 90 characters, because a tar header
    holds names of 100: ``KEY.000.webp``.
    """
    if not KEY_PATTERN.fullmatch(key):
        raise ValueError(f"key {key!r}: keys are 1 to 90 characters from a-z, 0-9, '_' and '-'")
    return key


def slug(text: str, limit: int = 80) -> str:
    """Any text as a piece of a key: lower case, everything outside ``[a-z0-9_-]`` becomes '-'."""
    return re.sub(r"[^a-z0-9_-]+", "-", text.lower()).strip("-")[:limit]


def derive_seed(seed: int, key: str, *purpose: str | int) -> int:
    """A 64-bit seed from the run's seed, the sample's key and a purpose, such as an epoch.

    It is a blake2b hash, so it is the same on every machine. It never depends on global state, worker, batch
    or order, so that any draw can be repeated.
    """
    text = "\x1f".join([str(seed), key, *(str(p) for p in purpose)])
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest(), "big")
