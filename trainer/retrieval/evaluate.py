"""Evaluation: text-video retrieval metrics of a checkpoint, with and without re-ranking."""

from __future__ import annotations

import json
import time
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from functools import partial
from pathlib import Path

from schemas.errors import ConfigError
from storage.uris import is_remote
from storage.write import write_bytes
from trainer.data.batch import Batch
from trainer.data.config import DataConfig
from trainer.data.loader import evaluation_loader, noting_drops
from trainer.data.shards import Dropped, ShardSet
from trainer.device.precision import memory_advice
from trainer.device.ranks import Ranks, gather_objects, start_ranks
from trainer.device.versions import versions
from trainer.model.config import InteractionConfig
from trainer.model.io import follow, load_model
from trainer.model.towers import tokenize
from trainer.retrieval.collect import embed_loader
from trainer.retrieval.config import EvaluateConfig
from trainer.retrieval.embed import Embedder
from trainer.retrieval.querybank import embed_bank, read_bank
from trainer.retrieval.ranking import rank
from trainer.retrieval.shared import rank_shared


@dataclass(frozen=True)
class Evaluation:
    """The result of an evaluation. Its JSON file also holds the config and the versions."""

    videos: int
    captions: int
    repeated: int  # samples that show a video that came before
    dropped: tuple[str, ...]  # samples left out, each with its reason
    top_k: int | None  # candidates re-ranked, None without
    weight: float | None  # share of the match score, None without re-ranking
    coarse: dict[str, dict[str, float]]  # "t2v" and "v2t": R1, R5, R10 in percent, MdR, MnR from 1
    reranked: dict[str, dict[str, float]] | None
    seconds: dict[str, float]  # encode, similarity, rerank
    extra: dict[str, dict[str, float]] = field(default_factory=dict)  # by group, see trainer.retrieval.scores


def evaluate(config: EvaluateConfig) -> Evaluation:
    """Embed every video and caption once, rank both ways. Writes `config.output` if it is set.

    Under torchrun every rank does a share and gets the whole result; the first one writes.

    Raises ConfigError for what cannot be started, ShardError for unreadable data, ValueError for features
    that are not finite, MemoryError with what to lower.
    """
    with start_ranks(config.device) as ranks:
        result = _evaluate(config, ranks)
        if config.output and ranks.first:
            write_result(config, result)
        return result


def _evaluate(config: EvaluateConfig, ranks: Ranks) -> Evaluation:
    model = load_model(config.checkpoint, trained=config.trained_weights)
    top_k, weight = _reranking(config, model.config.interaction)
    shards = ShardSet.find(config.data.shards)
    bank = None
    if config.querybank is not None:
        phrases = config.data.motion_phrases
        bank = read_bank(config.querybank, config.querybank_captions, motion_phrases=phrases)
    with memory_advice("the GPU has no room for the model; is it in use? Free it, or set device=cpu"):
        embedder = Embedder(model, ranks.device, config.precision, tokens=top_k is not None)
    dropped: list[Dropped] = []
    start = time.perf_counter()
    loader = noting_drops(_loader(config, embedder, shards, ranks), dropped)
    with memory_advice(f"lower data.batch_size (now {config.data.batch_size})"):
        data = embed_loader(
            embedder,
            loader,
            captions="first" if config.captions == "first" else "all",
            both_ways=config.backwards,
            ranks=ranks,
        )
        bank_QE = None if bank is None else embed_bank(embedder, bank, ranks)
    encode = time.perf_counter() - start
    candidates = None if top_k is None else min(top_k, len(data.videos))
    with memory_advice("ranking has no room left; free the GPU, or set precision=bf16 or device=cpu"):
        if config.captions == "shared":
            ranking = rank_shared(embedder, data)
        else:
            ranking = rank(
                embedder,
                data,
                top_k=candidates,
                weight=weight,
                dual_softmax=config.dual_softmax,
                bank_QE=bank_QE,
                ranks=ranks,
            )
    seconds = {"encode": encode, "similarity": ranking.similarity_seconds}
    if ranking.rerank_seconds is not None:
        seconds["rerank"] = ranking.rerank_seconds
    names = tuple(str(drop) for of_rank in gather_objects(dropped, ranks) for drop in of_rank)
    texts = len(set(data.captions)) if config.captions == "shared" else len(data.texts)
    counts = (len(data.videos), texts, data.repeated)
    return Evaluation(*counts, names, top_k, weight, ranking.coarse, ranking.fine, seconds, ranking.extra)


def write_result(config: EvaluateConfig, result: Evaluation) -> None:
    """The result as JSON in `config.output`, whole or not at all."""
    checkpoint = (
        follow(config.checkpoint) if is_remote(config.checkpoint) else str(Path(config.checkpoint).resolve())
    )
    about = {"checkpoint": checkpoint, "config": config.to_dict(), "versions": versions()}
    try:
        write_bytes(str(config.output), (json.dumps({**asdict(result), **about}, indent=2) + "\n").encode())
    except OSError as error:
        raise ConfigError(f"output={config.output} cannot be written: {error}") from None


def _reranking(config: EvaluateConfig, module: InteractionConfig) -> tuple[int | None, float | None]:
    """Candidates to re-rank and the match score's share, None for no re-ranking."""
    wanted = module.enabled if config.rerank is None else config.rerank
    if config.captions == "shared":
        if config.rerank:
            raise ConfigError("rerank=true has no effect with captions=shared; leave one of them out")
        wanted = False
    if wanted and not module.enabled:
        raise ConfigError(
            f"rerank=true, but {config.checkpoint} has no interaction module; train one, or set rerank=false"
        )
    for name, value in (("top_k", config.top_k), ("weight", config.weight)):
        if not wanted and value is not None:
            raise ConfigError(f"{name} = {value} has no effect without re-ranking; leave it out")
    if not wanted:
        return None, None
    return config.top_k or module.top_k, module.weight if config.weight is None else config.weight


def _loader(config: EvaluateConfig, embedder: Embedder, shards: ShardSet, ranks: Ranks) -> Iterable[Batch]:
    data = config.data
    settings = DataConfig(
        shards=data.shards,
        workers=data.workers,
        eval_batch_size=data.batch_size,
        broken_shards=data.broken_shards,
        eval_motion_phrases=data.motion_phrases,
    )
    model = embedder.model.config
    words = partial(tokenize, max_words=model.max_words)
    pin = embedder.device.type == "cuda"
    return evaluation_loader(
        shards,
        settings,
        words,
        frames=model.max_frames,
        size=embedder.size,
        rank=ranks.rank,
        world=ranks.world,
        pin_memory=pin,
    )
