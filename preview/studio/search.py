"""The studio's search: an index that opens in the background, the results for a text, and their clips."""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import asdict, dataclass
from threading import Lock
from typing import TYPE_CHECKING, Any, Protocol

from preview.show.clips import load_frames, screen_webp
from schemas.errors import ConfigError
from storage.shards.access import ShardAccess

if TYPE_CHECKING:
    from trainer.index.searcher import Hit, SearchIndex

MOST_FOUND = 10_000  # results whose clips the page may request; the oldest are removed first
CAPTIONS_MOST, TEXT_MOST = 20, 2000  # of a clip on the page: captions, and characters of each


@dataclass(frozen=True)
class Found:
    """One search result."""

    id: str  # the page requests the clip by it
    key: str
    shard: str  # its file's name, without the folder
    captions: tuple[str, ...]
    cosine: float  # of text and clip, -1 to 1
    coarse_rank: int  # from 1
    match: float | None = None  # logit of the interaction module; None where the clip was not re-ranked


@dataclass(frozen=True)
class Results:
    """The results for a text, best first."""

    coarse: Sequence[Found]
    reranked: Sequence[Found] | None  # None where the index cannot re-rank

    def to_plain(self) -> dict[str, Any]:
        """Convert to JSON values."""
        fine = None
        if self.reranked is not None:
            fine = [asdict(found) for found in self.reranked]
        return {"coarse": [asdict(found) for found in self.coarse], "reranked": fine}


class Searcher(Protocol):
    """The requests of the Search tab, from several threads."""

    def find(self, text: str, count: int) -> Results:
        """Return the best `count` clips for a text.

        Raises ValueError for a text or an index that cannot be searched.
        """

    def clip(self, id: str, *, still: bool) -> bytes:
        """Return a recent result as a looping WebP, or its first frame.

        Raises ConfigError for any other id.
        """


class IndexSearcher:
    """Searches an index made by `zoetrope index`.

    The model takes seconds to load, so a thread loads it while the page is already served. A clip is read
    from its shard by key, and only a recent result can be requested: no request names a file.
    """

    def __init__(self, folder: str) -> None:
        """Start to open the index. Raises ConfigError at once if the folder is no index."""
        from trainer.index.store import read_info

        if read_info(folder) is None:
            raise ConfigError(
                f"--index {folder}: no index there; make one with "
                f"`zoetrope index CHECKPOINT SHARDS -o {folder}`"
            )
        self._access = ShardAccess()
        self._found: OrderedDict[str, tuple[str, str]] = OrderedDict()  # id -> shard, key
        self._lock = Lock()
        opener = ThreadPoolExecutor(1, thread_name_prefix="index")
        self._index: Future[SearchIndex] = opener.submit(_open, folder)
        opener.shutdown(wait=False)

    def find(self, text: str, count: int) -> Results:
        """As `Searcher.find`; raises ConfigError. Waits for the index to be open."""
        index = self._index.result()
        try:
            coarse = self._remember(index.search(text, top=count, rerank=False))
            fine = None
            if index.can_rerank:
                fine = self._remember(index.search(text, top=count))
        except (ValueError, MemoryError) as error:
            raise ConfigError(str(error)) from None
        return Results(coarse, fine)

    def clip(self, id: str, *, still: bool) -> bytes:
        """As `Searcher.clip`. Raises ShardError or OSError if the shard has changed since it was indexed."""
        with self._lock:
            place = self._found.get(id)
        if place is None:
            raise ConfigError("this clip is no recent result; search again")
        return screen_webp(*load_frames(self._access.read(*place)), still=still)

    def _remember(self, hits: Sequence[Hit]) -> list[Found]:
        found = [_found(hit) for hit in hits]
        with self._lock:
            for one, hit in zip(found, hits, strict=True):
                self._found[one.id] = (hit.shard, hit.key)
                self._found.move_to_end(one.id)
            while len(self._found) > MOST_FOUND:
                self._found.popitem(last=False)
        return found


def _open(folder: str) -> SearchIndex:
    from trainer.index.search import open_index

    return open_index(folder)


def _found(hit: Hit) -> Found:
    id = hashlib.blake2b(
        f"{hit.shard}\0{hit.key}".encode("utf-8", "surrogateescape"), digest_size=16
    ).hexdigest()
    captions = tuple(caption[:TEXT_MOST] for caption in hit.captions[:CAPTIONS_MOST])
    return Found(
        id=id,
        key=hit.key,
        shard=hit.shard.rpartition("/")[2],
        captions=captions,
        cosine=hit.coarse,
        coarse_rank=hit.coarse_rank,
        match=hit.match,
    )
