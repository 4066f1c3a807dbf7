"""Re-ranking: the interaction module orders the best candidates of the dual encoder.

`CLIP2Video.rerank_score` orders a caption's K best videos, and a video's K best groups of captions; a group
is represented by its coarsely best caption. Candidates outside the K keep their coarse ranks, behind them.
Ties take the mean of the tied ranks, as in `trainer.retrieval.metrics`.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from textwrap import shorten

import numpy as np
import torch
from torch import Tensor

from trainer.device.errors import NotFiniteError
from trainer.device.precision import autocast
from trainer.retrieval.collect import Embedded
from trainer.retrieval.embed import Embedder, Items
from trainer.retrieval.metrics import BlockwiseRetrieval, Metrics, ranks_of

NAMED_CHARACTERS = 60  # of a caption in an error
# Pairs of text and video that the interaction module reads at a time; few stay in a CPU's cache.
PAIRS, PAIRS_ON_CPU = 2048, 64
ROOM = 0.4  # share of a GPU's free memory that tokens may take to be kept there


@dataclass(frozen=True, eq=False)
class Candidates:
    """For Q queries the K best by the dual encoder, best first."""

    rows_QK: Tensor  # int64, of the other side's items (videos, or groups of captions)
    scores_QK: Tensor  # float32, dual logits


class Rerank:
    """Metrics after re-ranking the `top_k` best candidates of every query."""

    def __init__(self, embedder: Embedder, data: Embedded, top_k: int, weight: float | None) -> None:
        """`weight`: share of the match score; None for the model's."""
        self._embedder, self._data, self._top_k, self._weight = embedder, data, top_k, weight
        self._texts = _near(data.texts, embedder.device)
        self._videos = _near(data.videos, embedder.device)
        self._owners = torch.from_numpy(data.owners)
        self._asked = np.unique(data.owners)  # videos with captions; group g holds those of asked[g]
        self._groups = _Groups(data.owners, embedder.device)
        self._fine = BlockwiseRetrieval(data.owners, len(data.videos))
        self.seconds = 0.0

    def texts(self, start: int, scores_nM: Tensor) -> None:
        """Rank the videos of the texts from `start` on."""
        began = time.perf_counter()
        best = _top(scores_nM, self._top_k)
        rows = torch.arange(start, start + len(scores_nM))
        own = self._owners[rows]
        scores = self._scores(rows[:, None].expand_as(best.rows_QK), best.rows_QK, best.scores_QK)
        coarse = ranks_of(scores_nM.cpu().numpy(), own.numpy())
        self._fine.t2v_ranks[rows.numpy()] = _fine_ranks(coarse, best.rows_QK, own, scores)
        self.seconds += time.perf_counter() - began

    def videos(self, start: int, scores_mN: Tensor) -> None:
        """Rank the groups of captions of the videos from `start` on."""
        began = time.perf_counter()
        videos = np.arange(start, start + len(scores_mN))
        has_captions = np.isin(videos, self._asked)
        if has_captions.any():
            rows_mN = scores_mN[torch.from_numpy(has_captions).to(scores_mN.device)]
            self._rank_videos(torch.from_numpy(videos[has_captions]), rows_mN)
        self.seconds += time.perf_counter() - began

    def _rank_videos(self, videos: Tensor, scores_mN: Tensor) -> None:
        of_groups_mG = self._groups.best(scores_mN)
        best = _top(of_groups_mG, self._top_k)
        captions = self._groups.best_caption(scores_mN, best.rows_QK)
        scores = self._scores(captions, videos[:, None].expand_as(captions), best.scores_QK)
        own = np.searchsorted(self._asked, videos.numpy())
        coarse = ranks_of(of_groups_mG.cpu().numpy(), own)
        ranks = _fine_ranks(coarse, best.rows_QK, torch.from_numpy(own), scores)
        self._fine.v2t_ranks[videos.numpy()] = ranks

    def _scores(self, text_rows: Tensor, video_rows: Tensor, dual_QK: Tensor) -> Tensor:
        texts, videos = text_rows.flatten(), video_rows.flatten()

        def name(pair: int) -> str:
            caption = shorten(self._data.captions[int(texts[pair])], NAMED_CHARACTERS)
            return f"{self._data.keys[int(videos[pair])]} and {caption!r}"

        match = match_scores(self._embedder, self._texts, texts, self._videos, videos, name)
        return self._embedder.model.rerank_score(dual_QK, match.view_as(dual_QK), self._weight)

    @property
    def arrays(self) -> tuple[np.ndarray, ...]:
        """Ranks by query, NaN where this process has not ranked."""
        return self._fine.arrays

    def metrics(self) -> Metrics:
        """The result by direction."""
        return self._fine.metrics()


def _near(items: Items, device: torch.device) -> Items:
    """Keep tokens on a GPU if it has room: every query reads many of them."""
    if device.type != "cuda" or items.tokens_NLD is None or items.mask_NL is None:
        return items
    free, _ = torch.cuda.mem_get_info(device)
    if items.tokens_NLD.nbytes > ROOM * free:
        return items
    return Items(items.vectors_NE, items.tokens_NLD.to(device), items.mask_NL.to(device))


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
    pairs = PAIRS
    if embedder.device.type == "cpu":
        pairs = PAIRS_ON_CPU
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


def _top(scores_QI: Tensor, top_k: int) -> Candidates:
    best = scores_QI.topk(min(top_k, scores_QI.shape[1]), dim=1)
    return Candidates(best.indices.cpu(), best.values.cpu())


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
        """The caption (row of N) that gave the best score of those groups, int64 [m,K] on the CPU.

        Of tied captions it is the first.
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
