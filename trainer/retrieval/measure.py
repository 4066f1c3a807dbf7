"""Measure one set of shards: embed its clips and captions, then rank them both ways.

`zoetrope evaluate` and the evaluations during a training run share this.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

from torch import Tensor

from trainer.data.batch import Batch
from trainer.data.loader import noting_drops
from trainer.data.shards import Dropped
from trainer.device.ranks import Ranks, gather_objects
from trainer.retrieval.collect import Captions, Embedded, embed_loader
from trainer.retrieval.config import EvaluationSet
from trainer.retrieval.embed import Embedder
from trainer.retrieval.querybank import embed_bank, read_bank
from trainer.retrieval.ranking import Ranking, rank
from trainer.retrieval.shared import rank_shared


@dataclass(frozen=True)
class Options:
    """How a set is measured. With captions "shared" the other options have no effect."""

    captions: Literal["all", "first", "shared"] = "all"
    dual_softmax: bool = False
    backwards: bool = False
    bank: Sequence[str] | None = None  # captions of a query bank
    top_k: int | None = None  # candidates that are re-ranked; None: no re-ranking
    weight: float | None = None  # share of the match score; None: the model's


@dataclass(frozen=True)
class EmbeddedSet:
    """A set in vectors, whole on every rank."""

    data: Embedded
    bank_QE: Tensor | None  # of the query bank
    dropped: tuple[Dropped, ...]  # samples left out, on any rank


def read_set_bank(given: EvaluationSet, limit: int) -> list[str] | None:
    """Read at most `limit` captions of the set's query bank; None if it has none. Raises ConfigError."""
    if given.querybank is None:
        return None
    return read_bank(given.querybank, limit, motion_phrases=given.motion_phrases)


def embed_set(embedder: Embedder, loader: Iterable[Batch], options: Options, ranks: Ranks) -> EmbeddedSet:
    """Embed the samples of a loader, which reads this rank's share, and the query bank.

    Raises as `embed_loader`.
    """
    dropped: list[Dropped] = []
    captions: Captions = "all"
    if options.captions == "first":
        captions = "first"
    data = embed_loader(
        embedder,
        noting_drops(loader, dropped),
        captions=captions,
        both_ways=options.backwards and options.captions != "shared",
        ranks=ranks,
    )
    bank_QE = None
    if options.bank is not None:
        bank_QE = embed_bank(embedder, options.bank, ranks)
    everywhere = tuple(drop for of_rank in gather_objects(dropped, ranks) for drop in of_rank)
    return EmbeddedSet(data, bank_QE, everywhere)


def rank_set(embedder: Embedder, embedded: EmbeddedSet, options: Options, ranks: Ranks) -> Ranking:
    """Rank the clips and captions of a set. Raises ValueError for scores that are not finite."""
    if options.captions == "shared":
        return rank_shared(embedder, embedded.data)
    top_k = options.top_k
    if top_k is not None:
        top_k = min(top_k, len(embedded.data.videos))
    return rank(
        embedder,
        embedded.data,
        top_k=top_k,
        weight=options.weight,
        dual_softmax=options.dual_softmax,
        bank_QE=embedded.bank_QE,
        ranks=ranks,
    )
