"""Retrieval metrics of a model in training: encode a loader's clips and captions once, rank by the dual encoder."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TypeVar

import numpy as np
import torch

from trainer.data.animate import to_device
from trainer.data.batch import Batch
from trainer.metrics import blockwise_metrics
from trainer.model.clip2video import CLIP2Video, Features, TextFeatures, VideoFeatures
from trainer.precision import autocast
from trainer.step import Encoder

F = TypeVar("F", bound=Features)


@torch.inference_mode()
def evaluate_model(
    model: CLIP2Video, loader: Iterable[Batch], device: torch.device, precision: str = "fp32"
) -> dict[str, float]:
    """``{"t2v.R1": percent, ..., "v2t.MnR": rank}`` over every clip and every caption of the loader.

    Captions of clips with equal ids count as captions of the first of them. Raises ValueError if the loader is empty.
    """
    encoder = Encoder(model).to(device).eval()
    size = (model.image_size, model.image_size)
    texts: list[TextFeatures] = []
    videos: list[VideoFeatures] = []
    owners: list[int] = []
    place: dict[int, int] = {}  # video id -> row
    for batch in loader:
        inputs = to_device(batch, device, size)
        with autocast(device, precision):
            text, video = encoder(inputs.frames_BTHWC, inputs.frame_mask_BT, inputs.token_ids_CL, inputs.token_mask_CL)
        ids = inputs.video_ids_B.tolist()
        new = [i for i, video_id in enumerate(ids) if video_id not in place and place.setdefault(video_id, len(place)) >= 0]
        owners += [place[ids[i]] for i in inputs.caption_video_C.tolist()]
        texts.append(_vectors(text, torch.arange(len(text))))
        videos.append(_vectors(video, torch.tensor(new, dtype=torch.int64)))
    if not owners:
        raise ValueError("nothing to evaluate on: data.eval_shards hold no usable sample")
    all_texts, all_videos = _joined(TextFeatures, texts), _joined(VideoFeatures, videos)

    def score(rows: slice, columns: slice) -> np.ndarray:
        return model.logits(all_texts[rows].to(device), all_videos[columns].to(device)).float().cpu().numpy()

    metrics = blockwise_metrics(score, owners, len(place))
    return {f"{way}.{name}": value for way, values in metrics.items() for name, value in values.items()}


def _vectors(features: F, rows: torch.Tensor) -> F:
    """Those rows' vectors on the CPU, without the tokens, which only the interaction module needs."""
    rows = rows.to(features.global_.device)
    tab = None if features.tab is None else features.tab[rows].cpu()
    empty = torch.empty(len(rows), 0)
    return type(features)(features.global_[rows].cpu(), tab, empty, empty)


def _joined(kind: type[F], parts: list[F]) -> F:
    tabs = [part.tab for part in parts if part.tab is not None]
    empty = torch.empty(sum(map(len, parts)), 0)
    return kind(torch.cat([p.global_ for p in parts]), torch.cat(tabs) if tabs else None, empty, empty)
