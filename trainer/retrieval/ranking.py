"""Rank all videos and captions of a set against each other.

Scores are made in blocks, so that 100,000 videos and captions never make a matrix. Blocks are cut at fixed
rows and dealt to the ranks, so the numbers do not depend on how many ranks there are.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from torch import Tensor

from trainer.device.ranks import Ranks, gather_objects, together
from trainer.retrieval.collect import Embedded
from trainer.retrieval.distractors import Backwards, RightMotion
from trainer.retrieval.embed import Embedder, Items
from trainer.retrieval.metrics import BlockwiseRetrieval, Metrics
from trainer.retrieval.reranking import Rerank
from trainer.retrieval.rescoring import DualSoftmax, LogSums, QueryBank

BLOCK_SCORES = 1 << 24  # of similarity held at a time: 64 MB
BLOCK_QUERIES = 256  # at most, so that small sets are dealt to all ranks too


@dataclass(frozen=True)
class Ranking:
    """Metrics (see `trainer.retrieval.metrics`) and what they took."""

    coarse: Metrics
    fine: Metrics | None  # None without re-ranking
    extra: Metrics  # by group, such as "motion" or "dual_softmax.t2v"; see `trainer.retrieval.scores`
    similarity_seconds: float
    rerank_seconds: float | None


class Measure(Protocol):
    """Something measured from blocks of scores. It sees every query once, on one of the ranks."""

    def texts(self, start: int, scores_nM: Tensor) -> None:
        """Take the dual logits of the texts from `start` on and all videos."""

    def videos(self, start: int, scores_mN: Tensor) -> None:
        """Take the dual logits of the videos from `start` on and all texts."""

    @property
    def arrays(self) -> tuple[np.ndarray, ...]:
        """Return numbers by query, NaN where this process has measured nothing. They are filled in place."""


class Coarse:
    """The metrics of the dual encoder."""

    def __init__(self, data: Embedded) -> None:
        self._ranks = BlockwiseRetrieval(data.owners, len(data.videos))

    def texts(self, start: int, scores_nM: Tensor) -> None:
        """Rank the videos of some texts."""
        self._ranks.add_texts(start, scores_nM)

    def videos(self, start: int, scores_mN: Tensor) -> None:
        """Rank the groups of captions of some videos."""
        self._ranks.add_videos(start, scores_mN.T)

    @property
    def arrays(self) -> tuple[np.ndarray, ...]:
        """Ranks by query."""
        return self._ranks.arrays

    def metrics(self) -> Metrics:
        """The result by direction."""
        return self._ranks.metrics()


def rank(
    embedder: Embedder,
    data: Embedded,
    *,
    top_k: int | None = None,
    weight: float | None = None,
    dual_softmax: bool = False,
    bank_QE: Tensor | None = None,
    ranks: Ranks | None = None,
    block_scores: int = BLOCK_SCORES,
) -> Ranking:
    """Rank every text and video against all others, and re-rank the best `top_k` if it is given.

    In re-ranking the match has this `weight` (None: the model's).

    `dual_softmax` and a query bank `bank_QE` (vectors of captions) add metrics under their own names. With
    several `ranks` each does a share, and all get the whole result. Raises ValueError for NaN.
    """
    start = time.perf_counter()
    ranks = ranks or Ranks(0, 1, embedder.device)
    blocks = _ScoreBlocks(embedder, data, ranks, block_scores)
    coarse = Coarse(data)
    extra: list[DualSoftmax | QueryBank | RightMotion | Backwards] = []
    if dual_softmax:
        sums = LogSums(len(data.texts), len(data.videos))
        blocks.give([sums])
        extra.append(DualSoftmax(data, sums))
    if bank_QE is not None:
        extra.append(QueryBank(data, bank_QE, embedder))
    motion = RightMotion(data)
    if motion.queries:
        extra.append(motion)
    if data.backwards is not None:
        extra.append(Backwards(data, data.backwards, embedder))
    measures: list[Measure] = [coarse, *extra]
    rerank = None
    if top_k is not None:
        rerank = Rerank(embedder, data, top_k, weight)
        measures.append(rerank)
    blocks.give(measures)
    groups = {name: values for each in extra for name, values in each.metrics().items()}
    spent = time.perf_counter() - start
    if rerank is None:
        return Ranking(coarse.metrics(), None, groups, spent, None)
    return Ranking(coarse.metrics(), rerank.metrics(), groups, spent - rerank.seconds, rerank.seconds)


class _ScoreBlocks:
    """Blocks of scores, dealt to the ranks."""

    def __init__(self, embedder: Embedder, data: Embedded, ranks: Ranks, block_scores: int) -> None:
        self._embedder, self._data, self._ranks, self._block_scores = embedder, data, ranks, block_scores

    def give(self, measures: Sequence[Measure]) -> None:
        """Give every measure this rank's blocks, and then what the other ranks have measured."""
        together(lambda: self._fill(measures), self._ranks)
        for measure in measures:
            for array in measure.arrays:
                # fmax takes the number of the one rank that has it: the others hold NaN.
                np.copyto(array, np.fmax.reduce(gather_objects(array, self._ranks)))

    def _fill(self, measures: Sequence[Measure]) -> None:
        texts, videos = self._data.texts, self._data.videos
        for start, block_nM in dual_logits(self._embedder, texts, videos, self._block_scores, self._ranks):
            for measure in measures:
                measure.texts(start, block_nM)
        for start, block_mN in dual_logits(self._embedder, videos, texts, self._block_scores, self._ranks):
            for measure in measures:
                measure.videos(start, block_mN)


def dual_logits(
    embedder: Embedder, queries: Items, items: Items, block_scores: int, ranks: Ranks | None = None
) -> Iterator[tuple[int, Tensor]]:
    """Yield (row, dual logits [n, all items]) of the queries from a row on, on the device.

    With `ranks` this rank's blocks alone.
    """
    scale = embedder.model.clip.logit_scale.detach().float().exp()
    all_IE = items.vectors_NE.to(embedder.device)
    rows = max(1, min(BLOCK_QUERIES, block_scores // len(items)))
    for number, start in enumerate(range(0, len(queries), rows)):
        if ranks is None or number % ranks.world == ranks.rank:
            block_nE = queries.vectors_NE[start : start + rows].to(embedder.device)
            yield start, (scale * block_nE) @ all_IE.T
