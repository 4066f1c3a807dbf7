"""Scores changed at test time by other queries: dual softmax, and QB-Norm.

Neither belongs among the plain metrics. Dual softmax reads all test queries at once (it is transductive).
QB-Norm reads a bank of other captions; it is transductive if these are the test set's own. Both publish
higher numbers from the same model, so their metrics carry their names.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from trainer.retrieval.collect import Embedded
from trainer.retrieval.embed import Embedder
from trainer.retrieval.metrics import BlockwiseRetrieval, Metrics

BETA = 20.0  # QB-Norm's inverse temperature of cosines, as published
NEAREST = 1  # QB-Norm's k: the videos that some query of the bank finds among its k best are normalised
BANK_ROWS = 1024  # queries of the bank that are scored at a time


class LogSums:
    """Of every text the log of the sum of exp(logit) over all videos, of every video over all texts."""

    def __init__(self, texts: int, videos: int) -> None:
        self.of_texts, self.of_videos = np.full(texts, np.nan), np.full(videos, np.nan)

    def texts(self, start: int, scores_nM: Tensor) -> None:
        """Sum over the videos."""
        self.of_texts[start : start + len(scores_nM)] = scores_nM.double().logsumexp(1).cpu()

    def videos(self, start: int, scores_mN: Tensor) -> None:
        """Sum over the texts."""
        self.of_videos[start : start + len(scores_mN)] = scores_mN.double().logsumexp(1).cpu()

    @property
    def arrays(self) -> tuple[np.ndarray, ...]:
        """Log-sums by item."""
        return self.of_texts, self.of_videos


class DualSoftmax:
    """Retrieval by s * softmax(s over all queries) of logits s (Cheng et al. 2021, CAMoE's dual softmax).

    A candidate that many queries are close to is worth less to each of them. All queries of the test set must
    be known at once.
    """

    def __init__(self, data: Embedded, sums: LogSums) -> None:
        self._ranks = BlockwiseRetrieval(data.owners, len(data.videos))
        self._of_texts, self._of_videos = torch.from_numpy(sums.of_texts), torch.from_numpy(sums.of_videos)

    def texts(self, start: int, scores_nM: Tensor) -> None:
        """Rank the videos of some texts."""
        self._ranks.add_texts(start, _weighted(scores_nM, self._of_videos))

    def videos(self, start: int, scores_mN: Tensor) -> None:
        """Rank the groups of captions of some videos."""
        self._ranks.add_videos(start, _weighted(scores_mN, self._of_texts).T)

    @property
    def arrays(self) -> tuple[np.ndarray, ...]:
        """Ranks by query."""
        return self._ranks.arrays

    def metrics(self) -> Metrics:
        """The result, by name and direction."""
        return {f"dual_softmax.{way}": values for way, values in self._ranks.metrics().items()}


def _weighted(scores_qI: Tensor, log_sums_I: Tensor) -> Tensor:
    """float64, so that a small weight is not 0: equal scores would be ties."""
    scores = scores_qI.double()
    return scores * (scores - log_sums_I.to(scores.device)).exp()


class QueryBank:
    """Text to video by QB-Norm with the dynamic inverted softmax (Bogolin et al. 2022).

    The score of a video is exp(beta * cosine) over the sum of the same over a bank of other captions. Only
    queries whose nearest video is also the nearest of a caption in the bank are changed.
    """

    def __init__(self, data: Embedded, bank_QE: Tensor, embedder: Embedder) -> None:
        """`bank_QE`: vectors of captions, as those of the texts."""
        self._ranks = BlockwiseRetrieval(data.owners, len(data.videos))
        self._scale = embedder.model.clip.logit_scale.detach().float().exp()
        device = embedder.device
        videos_ME = data.videos.vectors_NE.to(device)
        log_sums = torch.full((len(videos_ME),), -torch.inf, dtype=torch.float64, device=device)
        is_near = torch.zeros(len(videos_ME), dtype=torch.bool, device=device)
        for part_qE in bank_QE.split(BANK_ROWS):
            cosines_qM = part_qE.to(device) @ videos_ME.T
            log_sums = torch.logaddexp(log_sums, (BETA * cosines_qM.double()).logsumexp(0))
            is_near[cosines_qM.topk(NEAREST, dim=1).indices.flatten()] = True
        self._log_sums_M, self._is_near_M = log_sums, is_near

    def texts(self, start: int, scores_nM: Tensor) -> None:
        """Rank the videos of some texts."""
        cosines_nM = scores_nM.double() / self._scale.double()
        changed_n1 = self._is_near_M[scores_nM.argmax(1)][:, None]
        scores = torch.where(changed_n1, BETA * cosines_nM - self._log_sums_M, cosines_nM)
        self._ranks.add_texts(start, scores)

    def videos(self, start: int, scores_mN: Tensor) -> None:
        """The bank holds captions, so it says nothing of video to text."""

    @property
    def arrays(self) -> tuple[np.ndarray, ...]:
        """Ranks by text."""
        return (self._ranks.t2v_ranks,)

    def metrics(self) -> Metrics:
        """The result."""
        return {"qb_norm.t2v": self._ranks.of_texts()}
