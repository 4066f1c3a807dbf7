"""Reading shards: plain tars whose members are ``KEY.ext``, contiguous by key, from a whitelist of types.

No decoder that could run code is ever applied (webdataset's default ones unpickle ``.pyd`` and ``.pth``), and every
error names the shard and, where there is one, the key.
"""

from __future__ import annotations

import re
import tarfile
from collections.abc import Iterator
from dataclasses import dataclass
from typing import IO

from schemas.clip import ClipMeta
from schemas.storage import open_uri

FRAME_EXTENSIONS = ("jpg", "png", "webp")
MEMBER = re.compile(r"(?:(?P<frame>\d{3})\.)?(?P<ext>jpg|jpeg|png|webp|mp4|txt|json)")
MAX_MEMBER_BYTES = 512 * 1024 * 1024


class ShardError(ValueError):
    """A shard that cannot be read on. The message names the shard, the key where known, and what to do."""


@dataclass(frozen=True, slots=True)
class RawSample:
    """One sample as bytes."""

    shard: str
    key: str
    members: dict[str, bytes]  # extension after the key ("000.jpg", "mp4", "txt", "json") -> bytes, in tar order

    def meta(self) -> ClipMeta:
        """KEY.json, parsed. Raises ShardError."""
        try:
            return ClipMeta.from_json(self.members["json"])
        except (KeyError, ValueError) as error:
            raise ShardError(f"{self.shard}: {self.key}.json: {error}") from None

    @property
    def frames(self) -> list[bytes]:
        """The encoded frames of a `frames` sample in order, [] for other stores."""
        return [data for name, data in sorted(self.members.items()) if name[:3].isdigit()]


def iter_shard(uri: str, *, stream: IO[bytes] | None = None) -> Iterator[RawSample]:
    """Samples of one shard in order, read as a stream.

    Raises ShardError if the tar is truncated or corrupt, a member's type is not whitelisted, a key repeats, or a
    sample's members are not contiguous.
    """
    source = stream if stream is not None else open_uri(uri)
    seen: set[str] = set()
    key, members = "", dict[str, bytes]()
    try:
        with tarfile.open(fileobj=source, mode="r|") as tar:
            for info in tar:
                if not info.isfile():
                    continue
                name, data = _member(uri, tar, info)
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
    except (tarfile.TarError, EOFError, OSError) as error:
        after = f" after key {key}" if key else ""
        raise ShardError(
            f"{uri}: truncated or unreadable{after}: {error}; run `zoetrope validate` and make the shard again"
        ) from error
    finally:
        if stream is None:
            source.close()


def _member(uri: str, tar: tarfile.TarFile, info: tarfile.TarInfo) -> tuple[str, bytes]:
    name = info.name.removeprefix("./")
    if "/" in name or not MEMBER.fullmatch(name.partition(".")[2]):
        raise ShardError(
            f"{uri}: member {info.name!r} is not one of KEY.txt, .json, .mp4, .NNN.jpg|png|webp; not a shard of ours"
        )
    if info.size > MAX_MEMBER_BYTES:
        raise ShardError(f"{uri}: member {name} says {info.size} bytes, over the limit of {MAX_MEMBER_BYTES}")
    extracted = tar.extractfile(info)
    data = extracted.read() if extracted is not None else b""
    if len(data) != info.size:
        raise ShardError(f"{uri}: member {name} is cut off ({len(data)} of {info.size} bytes); make the shard again")
    return name, data
