"""Dual softmax and QB-Norm against the published formulas, written out on whole matrices."""

from __future__ import annotations

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from tiny_models import tiny_model

from trainer.data.identity import Identity
from trainer.retrieval.collect import Embedded
from trainer.retrieval.embed import Embedder, Items
from trainer.retrieval.metrics import retrieval_metrics
from trainer.retrieval.ranking import Ranking, rank
from trainer.retrieval.rescoring import BETA

VIDEOS = 40
OWNERS = np.sort(np.concatenate([np.arange(VIDEOS), np.random.default_rng(0).integers(0, VIDEOS, 30)]))


def unit(rows: int, seed: int) -> torch.Tensor:
    return F.normalize(torch.randn(rows, 32, generator=torch.Generator().manual_seed(seed)), dim=-1)


def made() -> tuple[Embedder, Embedded]:
    """A set whose captions lean to their videos, and to a hub that many are near to."""
    videos = unit(VIDEOS, 1)
    videos[5] = F.normalize(videos.sum(0), dim=0)  # a hub
    texts = F.normalize(videos[torch.from_numpy(OWNERS)] + 2.5 * unit(len(OWNERS), 2), dim=-1)
    ids = tuple(Identity(video, video, 0) for video in range(VIDEOS))
    names = [str(video) for video in range(VIDEOS)]
    data = Embedded(Items(videos), Items(texts), names, ["a"] * len(OWNERS), OWNERS, ids, 0)
    return Embedder(tiny_model(), torch.device("cpu")), data


def logits(embedder: Embedder, data: Embedded) -> np.ndarray:
    scale = embedder.model.clip.logit_scale.detach().exp()
    return (scale * data.texts.vectors_NE @ data.videos.vectors_NE.T).double().numpy()


def same(found: Ranking, group: str, wanted: dict[str, dict[str, float]], *ways: str) -> None:
    for way in ways:
        assert found.extra[f"{group}.{way}"] == pytest.approx(wanted[way]), way
        assert wanted[way] != found.coarse[way], "the option changes nothing here"


def softmax(scores: np.ndarray, axis: int) -> np.ndarray:
    shares = np.exp(scores - scores.max(axis, keepdims=True))
    return shares / shares.sum(axis, keepdims=True)


def test_dual_softmax_weighs_each_score_by_its_share_among_all_queries() -> None:
    embedder, data = made()
    found = rank(embedder, data, dual_softmax=True, block_scores=300)
    scores = logits(embedder, data)
    by_text = retrieval_metrics(scores * softmax(scores, 0), OWNERS)["t2v"]
    by_video = retrieval_metrics(scores * softmax(scores, 1), OWNERS)["v2t"]
    same(found, "dual_softmax", {"t2v": by_text, "v2t": by_video}, "t2v", "v2t")
    assert found.coarse == retrieval_metrics(scores, OWNERS)  # the plain metrics stay
    assert "dual_softmax.t2v" not in rank(embedder, data).extra


def test_qb_norm_is_the_published_dynamic_inverted_softmax() -> None:
    embedder, data = made()
    bank = F.normalize(data.videos.vectors_NE[5] + unit(40, 3), dim=-1)
    bank[:3] = data.videos.vectors_NE[:3]
    found = rank(embedder, data, bank_QE=bank)

    cosines = (data.texts.vectors_NE @ data.videos.vectors_NE.T).double().numpy()
    of_bank = (bank @ data.videos.vectors_NE.T).double().numpy()
    activated = np.unique(np.argsort(-of_bank, axis=1)[:, :1])
    sums = np.exp(BETA * of_bank).sum(0)
    normalised = cosines.copy()
    rows = np.isin(np.argsort(-cosines, axis=1)[:, 0], activated)
    normalised[rows] = np.exp(BETA * cosines[rows]) / sums
    assert 0 < rows.sum() < len(rows)
    same(found, "qb_norm", retrieval_metrics(normalised, OWNERS), "t2v")
    assert "qb_norm.v2t" not in found.extra
    assert found.coarse == retrieval_metrics(logits(embedder, data), OWNERS)
