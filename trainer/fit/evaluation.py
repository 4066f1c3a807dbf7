"""Evaluations during training, and the best of them so far."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

import torch

from trainer.data.batch import Batch
from trainer.data.loader import noting_drops
from trainer.data.shards import Dropped
from trainer.device.errors import RunError, first_line, no_memory
from trainer.device.ranks import Ranks, gather_objects
from trainer.fit.checkpoint import Best
from trainer.fit.config import TrainConfig
from trainer.fit.recorder import say_drops
from trainer.logs.run_logs import RunLogs
from trainer.model.clip2video import CLIP2Video
from trainer.retrieval.embed import Embedder, embed_loader
from trainer.retrieval.ranking import rank
from trainer.retrieval.scores import flat, is_better


@dataclass(frozen=True)
class Measured:
    """The result of one evaluation."""

    metrics: dict[str, float]  # by full name, such as "t2v.R1" (percent) or "rerank.v2t.MnR" (rank)
    counts: dict[str, float]  # "eval.videos", "eval.captions", "eval.dropped"
    dropped: list[Dropped]


def evaluate_model(
    model: CLIP2Video, loader: Iterable[Batch], device: torch.device, precision: str = "fp32"
) -> Measured:
    """Rank all clips and captions of the loader by the dual encoder, and re-rank if the model can.

    The `interaction.top_k` best candidates of a query are re-ranked. Clips with equal ids are one video, see
    `embed_loader`. Raises ValueError if the loader is empty, or naming a clip whose features are not finite.
    """
    fine = model.config.interaction
    embedder = Embedder(model, device, precision, tokens=fine.enabled)
    dropped: list[Dropped] = []
    data = embed_loader(embedder, noting_drops(loader, dropped))
    top_k = min(fine.top_k, len(data.videos)) if fine.enabled else None
    ranking = rank(embedder, data, top_k=top_k)
    counts = {
        "eval.videos": float(len(data.videos)),
        "eval.captions": float(len(data.texts)),
        "eval.dropped": float(len(dropped)),
    }
    return Measured(flat(ranking.coarse, ranking.fine), counts, dropped)


class Evaluator:
    """Evaluates on the first rank; all ranks learn the result."""

    def __init__(
        self,
        config: TrainConfig,
        ranks: Ranks,
        model: CLIP2Video,
        logs: RunLogs,
        make_loader: Callable[[], Iterable[Batch]] | None,
        best: Best | None,
    ) -> None:
        """`make_loader`: None without evaluation shards; `best`: of the run before it was resumed."""
        self.best = best
        self.metrics: dict[str, float] = {}  # of the last evaluation
        self.step: int | None = None  # of the last evaluation
        self._config, self._ranks, self._model, self._logs = config, ranks, model, logs
        self._make_loader = make_loader

    @property
    def enabled(self) -> bool:
        """Is there something to evaluate on?"""
        return self._make_loader is not None

    def due(self, step: int) -> bool:
        """Is an evaluation due after `step` steps?"""
        return self.enabled and (step % self._config.eval_every == 0 or step == self._config.total_steps)

    def evaluate(self, step: int) -> bool:
        """Evaluate after `step` steps. Returns whether the result is the best so far. Raises RunError."""
        failed = ""
        metrics: dict[str, float] = {}
        if self._ranks.first:
            try:
                metrics = self._measure()
            except (ValueError, RuntimeError) as error:
                failed = self._advice(error)
        failed, self.metrics = gather_objects((failed, metrics), self._ranks)[0]
        if failed:
            raise RunError(f"evaluation at step {step}: {failed}")
        self.step = step
        self._logs.write(step, self.metrics)
        value = self.metrics[self._config.chosen_by]
        better = self.best is None or is_better(self._config.chosen_by, value, self.best.value)
        if better:
            self.best = Best(step, value)
        return better

    def _measure(self) -> dict[str, float]:
        if self._make_loader is None:
            raise ValueError("there are no data.eval_shards to evaluate on")
        self._model.eval()
        found = evaluate_model(self._model, self._make_loader(), self._ranks.device, self._config.precision)
        say_drops(self._logs, found.dropped, "evaluation left out", "so its numbers are not of the whole set")
        return {**found.metrics, **found.counts}

    def _advice(self, error: Exception) -> str:
        """Return what to do about an error that has a known cause; raise any other."""
        if isinstance(error, ValueError):
            return str(error)
        if isinstance(error, RuntimeError) and no_memory(error):
            batch = self._config.data.eval_batch_size
            return f"out of memory; lower data.eval_batch_size (now {batch}). torch says: {first_line(error)}"
        raise error
