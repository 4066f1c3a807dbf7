"""The training loop: take batches, train, record, evaluate, save."""

from __future__ import annotations

import time
from collections.abc import Iterator

from trainer.data.batch import Batch
from trainer.data.loader import TrainingLoader
from trainer.device.ranks import Ranks
from trainer.device.stop import StopRequest
from trainer.fit.advice import DEAD_WORKER, explained
from trainer.fit.config import TrainConfig
from trainer.fit.evaluation import Evaluator
from trainer.fit.recorder import Recorder
from trainer.fit.saver import Saver
from trainer.fit.step import TrainingStep


class Loop:
    """One rank's share of a run. All ranks do the same at the same step."""

    def __init__(
        self,
        config: TrainConfig,
        ranks: Ranks,
        loader: TrainingLoader,
        train: TrainingStep,
        recorder: Recorder,
        evaluator: Evaluator,
        saver: Saver,
    ) -> None:
        self._config, self._ranks, self._loader = config, ranks, loader
        self._train, self._recorder, self._evaluator, self._saver = train, recorder, evaluator, saver

    def run(self, step: int, stop: StopRequest, *, owed: bool = False) -> int:
        """Train from `step` steps to the last one, or until some rank is asked to stop; save in either case.

        `owed`: the evaluation due at `step` was not made. Returns the steps done. Raises RunError.
        """
        config, evaluator = self._config, self._evaluator
        batches = iter(self._loader)
        self._recorder.restart()
        if owed and evaluator.enabled:
            better = evaluator.evaluate(step)
            self._recorder.restart()
            if better:
                self._save(step)

        while step < config.total_steps:
            with explained(step + 1, config, self._ranks.world):
                began = time.perf_counter()
                taken = self._take(batches)
                waited = time.perf_counter() - began
                result = self._train(step, taken, stop)
            step += 1
            self._recorder.add(result, waited)

            at_end = result.stopping or step == config.total_steps
            if step % config.log.every == 0 or at_end:
                self._recorder.record(step)

            better = False
            due = evaluator.due(step)
            if due and not result.stopping:
                better = evaluator.evaluate(step)
                self._recorder.restart()
            if step % config.save_every == 0 or better or at_end:
                # A stop request does not wait for an evaluation: the resumed run makes it first.
                self._save(step, owed=due and result.stopping)
            if result.stopping:
                break
        return step

    def _take(self, batches: Iterator[Batch]) -> list[Batch]:
        try:
            return [next(batches) for _ in range(self._config.accumulate)]
        except (ConnectionError, EOFError) as error:
            if not self._config.data.workers or "in DataLoader worker process" in str(error):
                raise
            # A worker died while sending a batch. torch reports that within a second, which interrupts this.
            time.sleep(1.0)
            raise RuntimeError(f"{DEAD_WORKER} unknown): {error}") from None

    def _save(self, step: int, *, owed: bool = False) -> None:
        values = dict(self._recorder.values)
        if self._evaluator.step == step:
            values |= self._evaluator.metrics
        self._saver.save(step, self._evaluator.best, values, owed=owed)
        self._recorder.restart()
