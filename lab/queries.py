"""Ask every test's queries of a checkpoint: the rank of the right video for each, by both rankings.

    python -m lab.queries CONFIG

CONFIG is a YAML file with data (folder), checkpoints (folder -> JSON file to write), tests, top_k and device.

In `content` and `still` all videos of the test compete. In `motion` the eight videos of the same picture
compete, and in `order` a video and its reverse. Videos of one group share their name up to the underscore.
"""

from __future__ import annotations

import json
import sys
from collections import defaultdict
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch

from schemas.yaml_text import read_yaml
from storage.write import write_bytes
from trainer.data.config import DataConfig
from trainer.data.loader import evaluation_loader
from trainer.data.shards import ShardSet
from trainer.model.io import load_model
from trainer.model.towers import tokenize
from trainer.retrieval.collect import Embedded, embed_loader
from trainer.retrieval.embed import Embedder
from trainer.retrieval.reranking import match_scores

GROUPED = ("motion", "order")
BATCH = 64


def main(argv: Sequence[str]) -> int:
    """Write the ranks, from 1; ties take the mean of the tied ranks."""
    (file,) = argv
    config = read_yaml(Path(file).read_text(encoding="utf-8"))
    for checkpoint, output in config["checkpoints"].items():
        model = load_model(Path(checkpoint).resolve())
        embedder = Embedder(model, torch.device(config["device"]), tokens=model.config.interaction.enabled)
        results = {}
        for test in config["tests"]:
            data = _embedded(embedder, Path(config["data"]) / test)
            results[test] = ranks(embedder, data, top_k=config["top_k"], grouped=test in GROUPED)
        write_bytes(output, (json.dumps(results) + "\n").encode())
    return 0


def group_of(key: str) -> str:
    """Return what keys of one group share: "0000003-motion000000_pan_up-mp4" -> "motion000000"."""
    return key.partition("_")[0].rpartition("-")[2]


def kind_of(key: str) -> str:
    """Return the kind of a clip of the test `motion`: "0000003-motion000000_pan_up-mp4" -> "pan"."""
    return key.split("_")[1].partition("-")[0]


def ranks(embedder: Embedder, data: Embedded, *, top_k: int, grouped: bool) -> dict[str, Any]:
    """Return for every query its caption, the right clip, the best other clip, and the right clip's ranks.

    `dual` is its rank by the dual encoder. `fine` is its rank after the best `top_k` were re-ranked by the
    interaction module; it is absent if the model has none.
    """
    scale = embedder.model.clip.logit_scale.detach().float().exp().cpu()
    scores_QM = scale * data.texts.vectors_NE @ data.videos.vectors_NE.T
    rivals = _rivals(data.keys, grouped)
    found: dict[str, list[Any]] = defaultdict(list)
    for query, own in enumerate(data.owners.tolist()):
        rows = torch.tensor(rivals[own])
        dual = scores_QM[query, rows]
        place = int((rows == own).nonzero())
        found["caption"].append(data.captions[query])
        found["clip"].append(data.keys[own])
        found["other"].append(data.keys[int(rows[_best_other(dual, place)])])
        found["dual"].append(_rank(dual, place))
        if embedder.tokens:
            found["fine"].append(_fine_rank(embedder, data, query, rows, dual, place, top_k))
    return dict(found)


def _embedded(embedder: Embedder, shards: Path) -> Embedded:
    loader = evaluation_loader(
        ShardSet.find(str(shards)),
        DataConfig(shards=str(shards), workers=0, eval_batch_size=BATCH),
        partial(tokenize, max_words=embedder.model.config.max_words),
        frames=embedder.model.config.max_frames,
        size=embedder.size,
    )
    return embed_loader(embedder, loader)


def _rivals(keys: Sequence[str], grouped: bool) -> list[list[int]]:
    """Return for each video the rows of those that compete with it, itself included."""
    everything = list(range(len(keys)))
    if not grouped:
        return [everything] * len(keys)
    groups: dict[str, list[int]] = defaultdict(list)
    for row, key in enumerate(keys):
        groups[group_of(key)].append(row)
    return [groups[group_of(key)] for key in keys]


def _rank(scores_C: torch.Tensor, place: int) -> float:
    own = scores_C[place]
    return 1.0 + float((scores_C > own).sum()) + (float((scores_C == own).sum()) - 1.0) / 2.0


def _best_other(scores_C: torch.Tensor, place: int) -> int:
    others = scores_C.clone()
    others[place] = -torch.inf
    return int(others.argmax())


def _fine_rank(
    embedder: Embedder,
    data: Embedded,
    query: int,
    rows_C: torch.Tensor,
    dual_C: torch.Tensor,
    place: int,
    top_k: int,
) -> float:
    best = dual_C.topk(min(top_k, len(dual_C))).indices
    if place not in best.tolist():
        return max(_rank(dual_C, place), len(best) + 1.0)
    texts = torch.full((len(best),), query)
    match = match_scores(
        embedder,
        data.texts,
        texts,
        data.videos,
        rows_C[best],
        lambda pair: data.keys[int(rows_C[best[pair]])],
    )
    fine = embedder.model.rerank_score(dual_C[best], match)
    return _rank(fine, best.tolist().index(place))


def hits(ranks_Q: Sequence[float]) -> np.ndarray:
    """Return 1.0 for each query whose right clip is alone in the first place, else 0.0."""
    return (np.asarray(ranks_Q) <= 1.0).astype(np.float64)


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
