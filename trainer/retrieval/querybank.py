"""The captions of a query bank for QB-Norm (see `trainer.retrieval.rescoring`), read from shards."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import islice, zip_longest

import torch
from torch import Tensor

from schemas.errors import ConfigError
from storage.shards.read import RawSample
from trainer.data.shards import Dropped, ShardSet, read_shards
from trainer.device.ranks import Ranks, gather_rows, together
from trainer.retrieval.embed import Embedder, Items, join
from transforms.captions import append

CAPTIONS_AT_ONCE = 256


def read_bank(patterns: str | Sequence[str], limit: int, *, motion_phrases: bool = True) -> list[str]:
    """Return at most `limit` captions of shards: the first of every sample, then the second, and so on.

    No pixel is decoded. If there are more samples than captions wanted, the rest of the shards is not read.
    Raises ConfigError if there is no caption.
    """
    dropped: list[Dropped] = []
    uris = ShardSet.find(patterns).uris
    samples = islice(read_shards(uris, policy="skip", on_broken=dropped.append), limit)
    captions = [_captions(sample, motion_phrases) for sample in samples]
    in_turn = (caption for row in zip_longest(*captions) for caption in row if caption is not None)
    bank = list(islice(in_turn, limit))
    if not bank:
        raise ConfigError(f"querybank={patterns}: the shards hold no caption")
    return bank


def embed_bank(embedder: Embedder, captions: Sequence[str], ranks: Ranks) -> Tensor:
    """Return the vectors [Q,E] float32 of captions, on the CPU. Every rank embeds a share and gets all."""
    words = embedder.model.tokenize
    own = list(_parts(captions, ranks))

    def embed() -> list[Items]:
        return [embedder.texts(*words(part), names=["the query bank"] * len(part)) for part in own]

    parts = together(embed, ranks)
    # Put in the order of the captions, so that the last bits of sums over the bank do not depend on ranks.
    vectors_NE = torch.empty(0, 0)
    if parts:
        vectors_NE = join(parts).vectors_NE
    rows = gather_rows(vectors_NE, ranks)
    places = [row for rank in range(ranks.world) for row in _rows(len(captions), rank, ranks.world)]
    return rows[torch.tensor(places).argsort()]


def _rows(count: int, rank: int, world: int) -> Iterator[int]:
    for number, start in enumerate(range(0, count, CAPTIONS_AT_ONCE)):
        if number % world == rank:
            yield from range(start, min(count, start + CAPTIONS_AT_ONCE))


def _parts(captions: Sequence[str], ranks: Ranks) -> Iterator[list[str]]:
    rows = _rows(len(captions), ranks.rank, ranks.world)
    while part := list(islice(rows, CAPTIONS_AT_ONCE)):
        yield [captions[row] for row in part]


def _captions(sample: RawSample, motion_phrases: bool) -> tuple[str, ...]:
    """Return a sample's captions, none if its KEY.json is broken: the bank is no measurement."""
    try:
        meta = sample.meta()
    except ValueError:
        return ()
    captions = meta.all_captions
    phrase = meta.motion_phrase
    if not phrase or not motion_phrases:
        return captions
    return tuple(append(caption, phrase) for caption in captions)
