"""Retrieval metrics of a model in training: encode a loader's clips and captions once, rank by the dual encoder."""

from __future__ import annotations

from collections.abc import Iterable

import torch

from trainer.data.batch import Batch
from trainer.embed import Embedder, embed_loader
from trainer.model.clip2video import CLIP2Video
from trainer.ranking import rank


def evaluate_model(
    model: CLIP2Video, loader: Iterable[Batch], device: torch.device, precision: str = "fp32"
) -> dict[str, float]:
    """``{"t2v.R1": percent, ..., "v2t.MnR": rank}`` over every clip and every caption of the loader.

    Clips with equal ids are one video, the first of them (see `embed_loader`). Raises ValueError if the loader is empty, or
    naming a clip whose features are not finite.
    """
    embedder = Embedder(model, device, precision)
    ranking = rank(embedder, embed_loader(embedder, loader))
    return {f"{way}.{name}": value for way, values in ranking.coarse.items() for name, value in values.items()}
