"""Evaluation: text-video retrieval metrics of a checkpoint or of CLIP's towers, on one or several sets."""

from __future__ import annotations

import json
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from schemas.errors import ConfigError
from storage.uris import is_remote
from storage.write import write_bytes
from trainer.data.batch import Batch
from trainer.data.config import DataConfig
from trainer.data.loader import evaluation_loader
from trainer.data.shards import ShardSet
from trainer.device.precision import memory_advice
from trainer.device.ranks import Ranks, start_ranks
from trainer.device.versions import versions
from trainer.model.clip2video import CLIP2Video, build_model
from trainer.model.config import InteractionConfig, ModelConfig
from trainer.model.io import follow, load_model
from trainer.retrieval.config import EvaluateConfig, EvaluationSet
from trainer.retrieval.embed import Embedder
from trainer.retrieval.measure import Options, embed_set, rank_set, read_set_bank


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
    """Measure on `data.shards`: embed every video and caption once, rank both ways.

    Writes `config.output` if it is set. Under torchrun every rank does a share and gets the whole result; the
    first one writes. Raises as `evaluate_sets`.
    """
    if config.data.shards is None:
        raise ConfigError("evaluate measures data.shards, and the config has sets alone; call evaluate_sets")
    return evaluate_sets(config)[""]


def evaluate_sets(config: EvaluateConfig) -> dict[str, Evaluation]:
    """Do as `evaluate` on every set of `config.sets` too -> results by name; '' is `data.shards`.

    Raises ConfigError for what cannot be started, ShardError for unreadable data, ValueError for features
    that are not finite, MemoryError with what to lower.
    """
    with start_ranks(config.device) as ranks:
        results = _evaluate(config, ranks)
        if config.output and ranks.first:
            write_results(config, results)
        return results


@dataclass(frozen=True)
class _Task:
    """One set to measure, with its files found and its bank read."""

    shards: ShardSet
    motion_phrases: bool
    options: Options


def _evaluate(config: EvaluateConfig, ranks: Ranks) -> dict[str, Evaluation]:
    model = _model(config)
    module = model.config.interaction
    tasks = {name: _task(config, each, module) for name, each in config.measured_sets.items()}
    _check_reranking(config, module, [task.options for task in tasks.values()])
    tokens = any(task.options.top_k is not None for task in tasks.values())
    with memory_advice("the GPU has no room for the model; is it in use? Free it, or set device=cpu"):
        embedder = Embedder(model, ranks.device, config.precision, tokens=tokens)
    return {name: _measure(config, embedder, task, ranks) for name, task in tasks.items()}


def _model(config: EvaluateConfig) -> CLIP2Video:
    if config.model is None:
        return load_model(str(config.checkpoint), trained=config.trained_weights)
    return build_model(ModelConfig.make(config.model.variant)).eval()


def _task(config: EvaluateConfig, given: EvaluationSet, module: InteractionConfig) -> _Task:
    shards = ShardSet.find(given.shards)
    bank = read_set_bank(given, config.querybank_captions)
    options = Options(given.captions, config.dual_softmax, config.backwards, bank)
    wanted = config.rerank
    if wanted is None:
        wanted = module.enabled
    if wanted and given.captions != "shared":
        weight = config.weight
        if weight is None:
            weight = module.weight
        options = replace(options, top_k=config.top_k or module.top_k, weight=weight)
    return _Task(shards, given.motion_phrases, options)


def _measure(config: EvaluateConfig, embedder: Embedder, task: _Task, ranks: Ranks) -> Evaluation:
    start, options = time.perf_counter(), task.options
    loader = _loader(config, embedder, task.shards, ranks, task.motion_phrases)
    with memory_advice(f"lower data.batch_size (now {config.data.batch_size})"):
        embedded = embed_set(embedder, loader, options, ranks)
    encode = time.perf_counter() - start
    with memory_advice("ranking has no room left; free the GPU, or set precision=bf16 or device=cpu"):
        ranking = rank_set(embedder, embedded, options, ranks)
    data = embedded.data
    seconds = {"encode": encode, "similarity": ranking.similarity_seconds}
    if ranking.rerank_seconds is not None:
        seconds["rerank"] = ranking.rerank_seconds
    texts = len(data.texts)
    if options.captions == "shared":
        texts = len(set(data.captions))
    return Evaluation(
        videos=len(data.videos),
        captions=texts,
        repeated=data.repeated,
        dropped=tuple(map(str, embedded.dropped)),
        top_k=options.top_k,
        weight=options.weight,
        coarse=ranking.coarse,
        reranked=ranking.fine,
        seconds=seconds,
        extra=ranking.extra,
    )


def write_results(config: EvaluateConfig, results: Mapping[str, Evaluation]) -> None:
    """Write the results as JSON to `config.output`, whole or not at all.

    The result on `data.shards` is at the top level; those of named sets are under ``sets``.
    """
    values: dict[str, Any] = {}
    if "" in results:
        values = asdict(results[""])
    named = {name: asdict(result) for name, result in results.items() if name}
    if named:
        values["sets"] = named
    about = {"checkpoint": _place(config), "config": config.to_dict(), "versions": versions()}
    try:
        write_bytes(str(config.output), (json.dumps({**values, **about}, indent=2) + "\n").encode())
    except OSError as error:
        raise ConfigError(f"output={config.output} cannot be written: {error}") from None


def _place(config: EvaluateConfig) -> str | None:
    """Return where the checkpoint is, links followed; None for CLIP's weights."""
    if config.checkpoint is None:
        return None
    if is_remote(config.checkpoint):
        return follow(config.checkpoint)
    return str(Path(config.checkpoint).resolve())


def _check_reranking(config: EvaluateConfig, module: InteractionConfig, sets: Sequence[Options]) -> None:
    """Raise ConfigError if a setting of re-ranking has no effect."""
    wanted = config.rerank
    if wanted is None:
        wanted = module.enabled
    if all(each.captions == "shared" for each in sets):
        if config.rerank:
            raise ConfigError("rerank=true has no effect with captions=shared; leave one of them out")
        wanted = False
    if wanted and not module.enabled:
        raise ConfigError(
            f"rerank=true, but {config.measured_model} has no interaction module; train one, or set "
            "rerank=false"
        )
    for name, value in (("top_k", config.top_k), ("weight", config.weight)):
        if not wanted and value is not None:
            raise ConfigError(f"{name} = {value} has no effect without re-ranking; leave it out")


def _loader(
    config: EvaluateConfig, embedder: Embedder, shards: ShardSet, ranks: Ranks, motion_phrases: bool = True
) -> Iterable[Batch]:
    data = config.data
    settings = DataConfig(
        shards=list(shards.uris),
        workers=data.workers,
        eval_batch_size=data.batch_size,
        broken_shards=data.broken_shards,
        eval_motion_phrases=motion_phrases,
    )
    model = embedder.model.config
    pin = embedder.device.type == "cuda"
    return evaluation_loader(
        shards,
        settings,
        embedder.model.tokenize,
        frames=model.max_frames,
        size=embedder.size,
        rank=ranks.rank,
        world=ranks.world,
        pin_memory=pin,
    )
