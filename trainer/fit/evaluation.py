"""Retrieval metrics of a model in training: encode a loader's clips and captions once, rank, re-rank where it can."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import torch

from trainer.data.batch import Batch
from trainer.data.loader import noting_drops
from trainer.data.shards import Dropped
from trainer.model.clip2video import CLIP2Video
from trainer.retrieval.embed import Embedder, embed_loader
from trainer.retrieval.ranking import rank


@dataclass(frozen=True)
class Measured:
    """What one evaluation found."""

    metrics: dict[
        str, float
    ]  # "t2v.R1": percent, ..., "v2t.MnR": rank; "rerank.t2v.R1", ... with an interaction module
    counts: dict[str, float]  # of what it was measured on: "eval.videos", "eval.captions", "eval.dropped"
    dropped: list[Dropped]


def evaluate_model(
    model: CLIP2Video, loader: Iterable[Batch], device: torch.device, precision: str = "fp32"
) -> Measured:
    """Rank every clip and every caption of the loader, by the dual encoder and, if the model has an interaction module, with
    its `interaction.top_k` best candidates re-ranked.

    Clips with equal ids are one video, the first of them (see `embed_loader`). Raises ValueError if the loader is empty, or
    naming a clip whose features are not finite.
    """
    fine = model.config.interaction
    embedder = Embedder(model, device, precision, tokens=fine.enabled)
    dropped: list[Dropped] = []
    data = embed_loader(embedder, noting_drops(loader, dropped))
    ranking = rank(embedder, data, top_k=min(fine.top_k, len(data.videos)) if fine.enabled else None)
    metrics = {
        f"{way}.{name}": value for way, values in ranking.coarse.items() for name, value in values.items()
    }
    for way, values in (ranking.fine or {}).items():
        metrics |= {f"rerank.{way}.{name}": value for name, value in values.items()}
    counts = {"eval.videos": len(data.videos), "eval.captions": len(data.texts), "eval.dropped": len(dropped)}
    return Measured(metrics, {name: float(count) for name, count in counts.items()}, dropped)
