"""Ranks where videos share captions: equal captions are one query, and any of their videos is right.

This is the protocol of Something-Something's template task in Singularity (tasks/retrieval_utils.py,
`has_multi_vision_gt`): 174 templates, each the caption of twelve videos.
"""

from __future__ import annotations

import time

import numpy as np

from trainer.retrieval.collect import Embedded
from trainer.retrieval.embed import Embedder
from trainer.retrieval.metrics import Metrics
from trainer.retrieval.ranking import BLOCK_SCORES, Ranking, dual_logits
from trainer.retrieval.scores import summarise


def rank_shared(embedder: Embedder, data: Embedded, *, block_scores: int = BLOCK_SCORES) -> Ranking:
    """Rank distinct captions against videos by the dual encoder, both ways.

    t2v: the rank of a caption is that of its best video. v2t: the rank of a video is that of its best
    caption. Ties take the mean of the tied ranks. Raises ValueError for scores that are not finite.
    """
    start = time.perf_counter()
    groups: dict[str, int] = {}
    group_N = np.array([groups.setdefault(caption, len(groups)) for caption in data.captions])
    # One row per distinct caption, because equal captions have equal vectors.
    _, first_U = np.unique(group_N, return_index=True)
    own_UM = np.zeros((len(first_U), len(data.videos)), bool)
    own_UM[group_N, data.owners] = True
    texts, videos = data.texts.pick_rows(first_U), data.videos
    t2v = [
        best_ranks(block.cpu().numpy(), own_UM[row : row + len(block)])
        for row, block in dual_logits(embedder, texts, videos, block_scores)
    ]
    asked_M = own_UM.any(0)
    v2t = [
        best_ranks(block.cpu().numpy(), own_UM.T[row : row + len(block)])
        for row, block in dual_logits(embedder, videos, texts, block_scores)
    ]
    metrics: Metrics = {
        "t2v": summarise(np.concatenate(t2v)),
        "v2t": summarise(np.concatenate(v2t)[asked_M]),
    }
    return Ranking(metrics, None, {}, time.perf_counter() - start, None)


def best_ranks(scores_QI: np.ndarray, own_QI: np.ndarray) -> np.ndarray:
    """Ranks from 1, float64 [Q], of the best of each query's own items; ties take the mean rank.

    `own_QI` bool says which items are a query's own; a query without any has rank NaN. Raises ValueError for
    scores that are not finite.
    """
    if not np.isfinite(scores_QI).all():
        raise ValueError("a similarity is not finite; find the video or caption that made it")
    best_Q = np.where(own_QI, scores_QI, -np.inf).max(1, keepdims=True)
    better_Q = (scores_QI > best_Q).sum(1)
    tied_Q = ((scores_QI == best_Q) & ~own_QI).sum(1)
    return np.where(own_QI.any(1), 1.0 + better_Q + tied_Q / 2.0, np.nan)
