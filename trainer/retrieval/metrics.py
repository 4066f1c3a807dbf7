"""Ranks of texts and videos from a similarity matrix, whole or in blocks.

Conventions (those of the official CLIP2Video functions wherever no two scores tie):
  t2v  Every caption ranks all videos.
  v2t  Every video with captions ranks the videos' groups of captions. A group scores as its best caption.
  MdR  The median; for t2v with several captions per video the lower of the two middle ranks.

Ties: a query counts once. Among equally scored candidates the true one takes the mean of the tied ranks. So a
constant matrix over V videos gives rank (V + 1) / 2, not 1. The official functions count such a query several
times, or leave its rank to an unstable sort.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from trainer.retrieval.scores import summarise

Metrics = dict[str, dict[str, float]]


def retrieval_metrics(similarity: Any, caption_to_video: Sequence[int] | np.ndarray) -> Metrics:
    """Metrics of a similarity matrix: ``{"t2v": {"R1", "R5", "R10", "MdR", "MnR"}, "v2t": {...}}``.

    `similarity` is [texts, videos] (array or tensor, larger = closer), `caption_to_video` the index of each
    text's video. Recall is in percent; ranks count from 1.

    Raises ValueError for NaN or infinite scores (naming the text), other shapes, and indices outside the
    videos.
    """
    scores = as_array(similarity)
    if scores.ndim != 2:
        raise ValueError(f"similarity has shape {list(scores.shape)}; it must be [texts, videos]")
    retrieval = BlockwiseRetrieval(caption_to_video, scores.shape[1])
    retrieval.add_texts(0, scores)
    retrieval.add_videos(0, scores)
    return retrieval.metrics()


def blockwise_metrics(
    score: Callable[[slice, slice], Any],
    caption_to_video: Sequence[int] | np.ndarray,
    videos: int,
    *,
    block_scores: int = 1 << 24,
) -> Metrics:
    """Return `retrieval_metrics` of a matrix that is never whole.

    `score(texts, videos)` returns the block [texts, videos] of two slices.

    At most `block_scores` scores (64 MB in float32) are held at a time. Each score is asked for twice, once a
    direction.
    """
    retrieval = BlockwiseRetrieval(caption_to_video, videos)
    texts = len(retrieval.caption_to_video)
    rows = max(1, block_scores // max(1, videos))
    for start in range(0, texts, rows):
        stop = min(start + rows, texts)
        retrieval.add_texts(start, score(slice(start, stop), slice(0, videos)))
    columns = max(1, block_scores // max(1, texts))
    for start in range(0, videos, columns):
        stop = min(start + columns, videos)
        retrieval.add_videos(start, score(slice(0, texts), slice(start, stop)))
    return retrieval.metrics()


class BlockwiseRetrieval:
    """Ranks from blocks of a similarity matrix: whole rows for t2v, whole columns for v2t, each once."""

    def __init__(self, caption_to_video: Sequence[int] | np.ndarray, videos: int) -> None:
        owners = np.asarray(caption_to_video)
        if owners.ndim != 1 or not len(owners) or not np.issubdtype(owners.dtype, np.integer):
            raise ValueError("caption_to_video must be a list of video indices, one a text, and not empty")
        if owners.min() < 0 or owners.max() >= videos:
            bad = int(np.flatnonzero((owners < 0) | (owners >= videos))[0])
            raise ValueError(
                f"caption_to_video[{bad}] = {owners[bad]} is not one of the {videos} videos (0 to "
                f"{videos - 1})"
            )
        self.caption_to_video, self.videos = owners, videos
        self._order = np.argsort(owners, kind="stable")  # captions by video, to take the best of each group
        self._sorted = bool((np.diff(owners) >= 0).all())
        self._groups, self._starts = np.unique(owners[self._order], return_index=True)
        self.t2v_ranks = np.full(len(owners), np.nan)  # of every text's video, from 1
        # Of every video's captions, from 1. A video without captions has no rank.
        self.v2t_ranks = np.full(videos, np.nan)

    def add_texts(self, start: int, block: Any) -> None:
        """Rows: scores [n, videos] of the texts from `start` on."""
        scores = as_array(block)
        owners = self.caption_to_video[start : start + len(scores)]
        if scores.ndim != 2 or scores.shape != (len(owners), self.videos):
            raise ValueError(
                f"scores of texts from {start}: shape {list(scores.shape)}, not [n, {self.videos}] within "
                "the texts"
            )
        _check_finite(scores, start, 0)
        self.t2v_ranks[start : start + len(scores)] = ranks_of(scores, owners)

    def add_videos(self, start: int, block: Any) -> None:
        """Columns: scores [texts, m] of the videos from `start` on."""
        scores = as_array(block)
        texts = len(self.caption_to_video)
        if scores.ndim != 2 or len(scores) != texts or start + scores.shape[1] > self.videos:
            raise ValueError(
                f"scores of videos from {start}: shape {list(scores.shape)}, not [{texts}, m] within the "
                "videos"
            )
        _check_finite(scores, 0, start)
        videos = np.arange(start, start + scores.shape[1])
        asked = np.isin(videos, self._groups)
        best_Gm = scores if self._sorted else scores[self._order]
        if len(self._groups) < texts:
            best_Gm = np.maximum.reduceat(best_Gm, self._starts, axis=0)
        if not asked.all():
            best_Gm = best_Gm[:, asked]
        own = np.searchsorted(self._groups, videos[asked])
        self.v2t_ranks[videos[asked]] = ranks_of(best_Gm, own, axis=0)

    @property
    def arrays(self) -> tuple[np.ndarray, ...]:
        """Ranks by query, NaN where they are not known yet. Several processes may fill in parts of them."""
        return self.t2v_ranks, self.v2t_ranks

    def metrics(self) -> Metrics:
        """`retrieval_metrics`' result. Raises ValueError if some rows or columns were never added."""
        return {"t2v": self.of_texts(), "v2t": self.of_videos()}

    def of_texts(self) -> dict[str, float]:
        """The metrics of text to video."""
        single = len(self._groups) == len(self.caption_to_video)
        return summarise(_complete("texts", self.t2v_ranks), lower_median=not single)

    def of_videos(self) -> dict[str, float]:
        """The metrics of video to text."""
        return summarise(_complete("videos", self.v2t_ranks[self._groups]))


def _complete(name: str, ranks: np.ndarray) -> np.ndarray:
    """Return the ranks. Raises ValueError if some are not known."""
    missing = int(np.isnan(ranks).sum())
    if missing:
        raise ValueError(f"{missing} of {len(ranks)} {name} were never scored; add every block")
    return ranks


def ranks_of(scores: np.ndarray, own: np.ndarray, *, axis: int = 1) -> np.ndarray:
    """Return the rank of candidate own[i] of query i; candidates are along `axis`.

    Ties take the mean rank.
    """
    true = np.take_along_axis(scores, np.expand_dims(own, axis), axis)
    better = (scores > true).sum(axis)
    tied_others = (scores == true).sum(axis) - 1
    ranks: np.ndarray = 1.0 + better + tied_others / 2.0
    return ranks


def as_array(values: Any) -> np.ndarray:
    """Return scores as an array, from an array or a tensor on any device."""
    if hasattr(values, "detach"):  # a tensor; numpy has no bfloat16
        values = values.detach().cpu()
        if values.element_size() < 4:
            values = values.float()
    return np.asarray(values)


def _check_finite(scores: np.ndarray, first_text: int, first_video: int) -> None:
    if np.isfinite(scores).all():
        return
    text, video = np.argwhere(~np.isfinite(scores))[0]
    raise ValueError(
        f"similarity of text {first_text + text} and video {first_video + video} is {scores[text, video]}; "
        "find what made it (a video without frames, a diverged model) before measuring"
    )
