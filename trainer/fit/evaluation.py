"""Evaluations during training, and the best of them so far."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from functools import partial

import torch

from trainer.data.batch import Batch
from trainer.data.loader import evaluation_loader
from trainer.data.shards import Dropped, ShardSet
from trainer.device.errors import RunError, first_line, no_memory
from trainer.device.ranks import Ranks
from trainer.fit.checkpoint import Best
from trainer.fit.config import TrainConfig
from trainer.fit.recorder import say_drops
from trainer.logs.run_logs import RunLogs
from trainer.model.clip2video import CLIP2Video
from trainer.optimise.average import WeightAverage, averaged
from trainer.retrieval.embed import Embedder
from trainer.retrieval.measure import Options, embed_set, rank_set, read_set_bank
from trainer.retrieval.scores import flat, is_better


@dataclass(frozen=True)
class Measured:
    """The result of one evaluation."""

    metrics: dict[str, float]  # by full name, such as "t2v.R1" (percent) or "rerank.v2t.MnR" (rank)
    counts: dict[str, float]  # "eval.videos", "eval.captions", "eval.dropped"
    dropped: Sequence[Dropped]


@dataclass(frozen=True)
class EvalSet:
    """A set of shards to evaluate on."""

    prefix: str  # of its metrics: "" or "NAME/"
    make_loader: Callable[[], Iterable[Batch]]  # of this rank's share
    options: Options


def evaluate_model(
    model: CLIP2Video,
    loader: Iterable[Batch],
    device: torch.device,
    precision: str = "fp32",
    options: Options | None = None,
    ranks: Ranks | None = None,
) -> Measured:
    """Rank all clips and captions of the loader by the dual encoder, and re-rank if the model can.

    The `interaction.top_k` best candidates of a query are re-ranked. Clips with equal ids are one video, see
    `embed_loader`. Several `ranks` read a share each, and all get the same result. Raises ValueError if the
    loader is empty, or naming a clip whose features are not finite.
    """
    ranks, options = ranks or Ranks(0, 1, device), options or Options()
    fine = model.config.interaction
    if fine.enabled:
        options = replace(options, top_k=fine.top_k)
    embedder = Embedder(model, device, precision, tokens=fine.enabled)
    embedded = embed_set(embedder, loader, options, ranks)
    ranking = rank_set(embedder, embedded, options, ranks)
    counts = {
        "eval.videos": float(len(embedded.data.videos)),
        "eval.captions": float(len(embedded.data.texts)),
        "eval.dropped": float(len(embedded.dropped)),
    }
    return Measured(flat(ranking.coarse, ranking.fine, ranking.extra), counts, embedded.dropped)


def find_sets(config: TrainConfig, ranks: Ranks, model: CLIP2Video) -> list[EvalSet]:
    """Return the sets of a run: `data.eval_shards` and those of `evaluate.sets`. Raises ConfigError."""
    wanted = config.evaluate
    sets: list[EvalSet] = []
    for name, given in config.evaluated_sets.items():
        bank = read_set_bank(given, wanted.querybank_captions)
        make_loader = partial(
            evaluation_loader,
            ShardSet.find(given.shards),
            config.data.model_copy(update={"eval_motion_phrases": given.motion_phrases}),
            model.tokenize,
            frames=config.model.max_frames,
            size=(model.image_size, model.image_size),
            rank=ranks.rank,
            world=ranks.world,
            pin_memory=ranks.device.type == "cuda",
        )
        options = Options(given.captions, wanted.dual_softmax, wanted.backwards, bank)
        prefix = ""
        if name:
            prefix = f"{name}/"
        sets.append(EvalSet(prefix, make_loader, options))
    return sets


class Evaluator:
    """Evaluates on all ranks, each of which learns the result."""

    def __init__(
        self,
        config: TrainConfig,
        ranks: Ranks,
        model: CLIP2Video,
        logs: RunLogs,
        sets: Sequence[EvalSet],
        best: Best | None,
        average: WeightAverage | None = None,
    ) -> None:
        """`sets`: none for no evaluation; `best`: of the run before it was resumed."""
        self.best = best
        self.metrics: dict[str, float] = {}  # of the last evaluation
        self.step: int | None = None  # of the last evaluation
        self._config, self._ranks, self._model, self._logs = config, ranks, model, logs
        self._sets, self._average = sets, average

    @property
    def enabled(self) -> bool:
        """Is there something to evaluate on?"""
        return bool(self._sets)

    def due(self, step: int) -> bool:
        """Is an evaluation due after `step` steps?"""
        return self.enabled and (step % self._config.eval_every == 0 or step == self._config.total_steps)

    def evaluate_untrained(self) -> None:
        """Measure and record a new run before its first step. `best` is chosen among later checkpoints.

        Raises RunError.
        """
        self._measure_all(0)

    def evaluate(self, step: int) -> bool:
        """Evaluate after `step` steps. Returns whether the result is the best so far. Raises RunError."""
        self._measure_all(step)
        chosen_by = self._config.chosen_by
        if chosen_by not in self.metrics:
            names = [name for name in self.metrics if name.endswith(".R1")]
            raise RunError(
                f"evaluation at step {step}: {chosen_by}, which `best` is chosen by, was not measured (of "
                f"motion it needs clips of one picture with phrases); best_metric: {', '.join(names)}"
            )
        value = self.metrics[chosen_by]
        better = self.best is None or is_better(chosen_by, value, self.best.value)
        if better:
            self.best = Best(step, value)
        return better

    def _measure_all(self, step: int) -> None:
        metrics: dict[str, float] = {}
        for each in self._sets:
            try:
                metrics |= self._measure(each)
            except (ValueError, RuntimeError) as error:
                where = ""
                if each.prefix:
                    where = f" on {each.prefix[:-1]}"
                raise RunError(f"evaluation at step {step}{where}: {self._advice(error)}") from error
        self.step, self.metrics = step, metrics
        self._logs.write(step, metrics)

    def _measure(self, each: EvalSet) -> dict[str, float]:
        self._model.eval()
        with averaged(self._average):
            found = evaluate_model(
                self._model,
                each.make_loader(),
                self._ranks.device,
                self._config.precision,
                each.options,
                self._ranks,
            )
        say_drops(self._logs, found.dropped, "evaluation left out", "so its numbers are not of the whole set")
        return {f"{each.prefix}{name}": value for name, value in {**found.metrics, **found.counts}.items()}

    def _advice(self, error: Exception) -> str:
        """Return what to do about an error that has a known cause; raise any other."""
        if isinstance(error, ValueError | RunError):
            return str(error)
        if isinstance(error, RuntimeError) and no_memory(error):
            batch = self._config.data.eval_batch_size
            return f"out of memory; lower data.eval_batch_size (now {batch}). torch says: {first_line(error)}"
        raise error
