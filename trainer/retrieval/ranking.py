"""Ranks of embedded videos and captions: coarse by the dual encoder, fine by the interaction module.

Both work on blocks, so that 100,000 videos and captions never make a matrix. Fine: `CLIP2Video.rerank_score`
orders a caption's K best videos, and a video's K best groups of captions; a group is represented by its
coarsely best caption. Candidates outside the K keep their coarse ranks, behind them. Ties take the mean of
the tied ranks, as in `trainer.retrieval.metrics`.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from textwrap import shorten

import numpy as np
import torch
from torch import Tensor

from trainer.device.errors import NotFiniteError
from trainer.device.precision import autocast
from trainer.retrieval.embed import Embedded, Embedder, Items
from trainer.retrieval.metrics import BlockwiseRetrieval, Metrics

BLOCK_SCORES = 1 << 24  # of similarity held at a time: 64 MB
NAMED_CHARACTERS = 60  # of a caption in an error
PAIRS, PAIRS_ON_CPU = (
    2048,
    64,
)  # of text and video that the interaction module reads at a time; few stay in a CPU's cache


@dataclass(frozen=True)
class Ranking:
    """Metrics (see `trainer.retrieval.metrics`) and what they took."""

    coarse: Metrics
    fine: Metrics | None  # None without re-ranking
    similarity_seconds: float
    rerank_seconds: float | None


@dataclass(frozen=True, eq=False)
class Candidates:
    """For Q queries the K best by the dual encoder, best first."""

    rows_QK: Tensor  # int64, of the other side's items (videos, or groups of captions)
    scores_QK: Tensor  # float32, dual logits


def rank(
    embedder: Embedder,
    data: Embedded,
    *,
    top_k: int | None = None,
    weight: float | None = None,
    block_scores: int = BLOCK_SCORES,
) -> Ranking:
    """Rank everything against everything, and re-rank the best `top_k` if it is given, the match having this
    `weight`.

    No weight: the model's. Raises ValueError for NaN.
    """
    start = time.perf_counter()
    coarse = BlockwiseRetrieval(data.owners, len(data.videos))
    owners = torch.from_numpy(data.owners)
    by_text = _rank_texts(embedder, data, coarse, top_k, block_scores)
    by_video, captions = _rank_videos(embedder, data, coarse, top_k, block_scores)
    metrics = coarse.metrics()
    similarity = time.perf_counter() - start
    if top_k is None:
        return Ranking(metrics, None, similarity, None)
    start = time.perf_counter()
    fine = BlockwiseRetrieval(data.owners, len(data.videos))
    texts = torch.arange(len(data.texts))[:, None].expand_as(by_text.rows_QK)
    scores = _rerank(embedder, data, texts, by_text.rows_QK, by_text.scores_QK, weight)
    fine.t2v_ranks[:] = _fine_ranks(coarse.t2v_ranks, by_text.rows_QK, owners, scores)
    asked = torch.from_numpy(
        np.unique(data.owners)
    )  # videos that have captions; group g holds those of asked[g]
    videos = asked[:, None].expand_as(captions)
    scores = _rerank(embedder, data, captions, videos, by_video.scores_QK, weight)
    own = torch.arange(len(asked))
    fine.v2t_ranks[asked.numpy()] = _fine_ranks(
        coarse.v2t_ranks[asked.numpy()], by_video.rows_QK, own, scores
    )
    return Ranking(metrics, fine.metrics(), similarity, time.perf_counter() - start)


def match_scores(
    embedder: Embedder,
    texts: Items,
    text_rows_P: Tensor,
    videos: Items,
    video_rows_P: Tensor,
    name: Callable[[int], str],
) -> Tensor:
    """The interaction module's logits [P] float32, on the CPU, of P pairs given by their rows.

    Raises ValueError, with the `name` of a pair whose logit is not finite.
    """
    parts = []
    pairs = PAIRS_ON_CPU if embedder.device.type == "cpu" else PAIRS
    with torch.inference_mode(), autocast(embedder.device, embedder.precision):
        for i in range(0, len(text_rows_P), pairs):
            text = texts.pick(text_rows_P[i : i + pairs], embedder.device)
            video = videos.pick(video_rows_P[i : i + pairs], embedder.device)
            parts.append(embedder.model.match(*text, *video).float().cpu())
    match_P = torch.cat(parts)
    bad = (~match_P.isfinite()).nonzero()
    if len(bad):  # compared with NaN nothing is better, so the true one would come first
        raise NotFiniteError(
            f"{name(int(bad[0]))}: the interaction module's match is not finite (so for {len(bad)} of "
            f"{len(match_P)} pairs): "
            "has it diverged? Take an earlier checkpoint, or leave re-ranking out (rerank=false, or "
            "--no-rerank in a search)"
        )
    return match_P


def _rank_texts(
    embedder: Embedder, data: Embedded, coarse: BlockwiseRetrieval, top_k: int | None, block_scores: int
) -> Candidates:
    found = []
    for start, block_nM in dual_logits(embedder, data.texts, data.videos, block_scores):
        coarse.add_texts(start, block_nM)
        if top_k is not None:
            found.append(_top(block_nM, top_k))
    return _joined(found)


def _rank_videos(
    embedder: Embedder, data: Embedded, coarse: BlockwiseRetrieval, top_k: int | None, block_scores: int
) -> tuple[Candidates, Tensor]:
    """Also returns the caption that represents each candidate group, int64 [videos with captions, K]."""
    groups = _Groups(data.owners, embedder.device)
    found, captions = [], []
    for start, block_mN in dual_logits(embedder, data.videos, data.texts, block_scores):
        coarse.add_videos(start, block_mN.T)
        if top_k is None:
            continue
        has_captions = np.isin(np.arange(start, start + len(block_mN)), data.owners)
        rows_mN = block_mN[torch.from_numpy(has_captions).to(block_mN.device)]
        best = _top(groups.best(rows_mN), top_k)
        found.append(best)
        captions.append(groups.best_caption(rows_mN, best.rows_QK))
    return _joined(found), torch.cat(captions) if captions else torch.empty(0, 0)


def dual_logits(
    embedder: Embedder, queries: Items, items: Items, block_scores: int
) -> Iterator[tuple[int, Tensor]]:
    """Yield (row, dual logits [n, all items]) of the queries from a row on, on the device."""
    scale = embedder.model.clip.logit_scale.detach().float().exp()
    all_IE = items.vectors_NE.to(embedder.device)
    rows = max(1, block_scores // len(items))
    for start in range(0, len(queries), rows):
        block_nE = queries.vectors_NE[start : start + rows].to(embedder.device)
        yield start, (scale * block_nE) @ all_IE.T


def _top(scores_QI: Tensor, top_k: int) -> Candidates:
    best = scores_QI.topk(min(top_k, scores_QI.shape[1]), dim=1)
    return Candidates(best.indices.cpu(), best.values.cpu())


def _joined(parts: list[Candidates]) -> Candidates:
    if not parts:
        return Candidates(torch.empty(0, 0, dtype=torch.int64), torch.empty(0, 0))
    return Candidates(torch.cat([p.rows_QK for p in parts]), torch.cat([p.scores_QK for p in parts]))


class _Groups:
    """Captions grouped by video."""

    def __init__(self, owners: np.ndarray, device: torch.device) -> None:
        order = np.argsort(owners, kind="stable")
        counts = np.unique(owners, return_counts=True)[1]
        starts = np.cumsum(counts) - counts
        self._order = torch.from_numpy(order)
        self._starts, self._counts = torch.from_numpy(starts), torch.from_numpy(counts)
        largest_first = np.argsort(-counts, kind="stable")
        turns = [largest_first[counts[largest_first] > turn] for turn in range(counts.max())]
        self._turns = [
            torch.from_numpy(order[starts[groups] + turn]).to(device) for turn, groups in enumerate(turns)
        ]
        self._places = torch.from_numpy(np.argsort(largest_first)).to(device)

    def best(self, scores_mN: Tensor) -> Tensor:
        """Each group's best score [m,G]: in turns, as scatter_reduce has no deterministic form on CUDA."""
        best_mG = scores_mN[:, self._turns[0]]
        for captions in self._turns[1:]:  # of the groups that have so many, which come first
            left_mg = best_mG[:, : len(captions)]
            torch.maximum(left_mg, scores_mN[:, captions], out=left_mg)
        return best_mG[:, self._places]

    def best_caption(self, scores_mN: Tensor, groups_mK: Tensor) -> Tensor:
        """The caption (row of N, the first if tied) that gave the best score of those groups, int64 [m,K] on
        the CPU.
        """
        captions = torch.zeros_like(groups_mK)
        best = torch.full(groups_mK.shape, -torch.inf)
        for turn in range(int(self._counts.max())):
            has = turn < self._counts[groups_mK]
            caption = self._order[(self._starts[groups_mK] + turn).clamp(max=len(self._order) - 1)]
            score = scores_mN.gather(1, caption.to(scores_mN.device)).cpu()
            better = has & (score > best)
            captions, best = torch.where(better, caption, captions), torch.where(better, score, best)
        return captions


def _rerank(
    embedder: Embedder,
    data: Embedded,
    text_rows: Tensor,
    video_rows: Tensor,
    dual_QK: Tensor,
    weight: float | None,
) -> Tensor:
    texts, videos = text_rows.flatten(), video_rows.flatten()

    def name(pair: int) -> str:
        caption = shorten(data.captions[int(texts[pair])], NAMED_CHARACTERS)
        return f"{data.keys[int(videos[pair])]} and {caption!r}"

    match = match_scores(embedder, data.texts, texts, data.videos, videos, name)
    return embedder.model.rerank_score(dual_QK, match.view_as(dual_QK), weight)


def _fine_ranks(coarse_Q: np.ndarray, candidates_QK: Tensor, own_Q: Tensor, scores_QK: Tensor) -> np.ndarray:
    """Ranks from 1 of own_Q[i] after re-ranking query i's candidates."""
    is_own = candidates_QK == own_Q[:, None]
    own_score = scores_QK.masked_fill(~is_own, -torch.inf).amax(1, keepdim=True)
    better = (scores_QK > own_score).sum(1)
    tied_others = ((scores_QK == own_score) & ~is_own).sum(1)
    among = 1 + better + tied_others / 2
    behind = torch.from_numpy(coarse_Q).clamp(min=candidates_QK.shape[1] + 1)
    ranks: np.ndarray = torch.where(is_own.any(1), among.double(), behind).numpy()
    return ranks
