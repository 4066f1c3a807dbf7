"""The training loop: take batches, train, record, evaluate, save."""

from __future__ import annotations

from trainer.device.ranks import Ranks
from trainer.device.stop import StopRequest
from trainer.fit.advice import explained
from trainer.fit.ahead import Ahead, Taken
from trainer.fit.config import TrainConfig
from trainer.fit.evaluation import Evaluator
from trainer.fit.recorder import Recorder
from trainer.fit.saver import Saver
from trainer.fit.step import QueuedStep, Spent, TrainingStep


class Loop:
    """One rank's share of a run. All ranks do the same at the same step.

    Between two steps the host waits for no number. It queues a step, prepares the next one's batches, and
    then reads the numbers of the step before. Before an evaluation, a checkpoint and the end, it reads the
    step's own numbers.
    """

    def __init__(
        self,
        config: TrainConfig,
        ranks: Ranks,
        ahead: Ahead,
        train: TrainingStep,
        recorder: Recorder,
        evaluator: Evaluator,
        saver: Saver,
    ) -> None:
        self._config, self._ranks, self._ahead = config, ranks, ahead
        self._train, self._recorder, self._evaluator, self._saver = train, recorder, evaluator, saver
        self._unread: tuple[QueuedStep, Taken] | None = None

    def run(self, step: int, stop: StopRequest, *, owed: bool = False) -> int:
        """Train from `step` steps to the last one, or until some rank is asked to stop; save in either case.

        `owed`: the evaluation due at `step` was not made. Returns the steps done. Raises RunError.
        """
        config, evaluator = self._config, self._evaluator
        if step == 0 and evaluator.enabled and config.evaluate.before:
            with self._recorder.paused("evaluation"):
                evaluator.evaluate_untrained()
        self._recorder.restart()
        if owed and evaluator.enabled and self._evaluate(step):
            self._save(step)

        while step < config.total_steps:
            stopping = self._queue(step, stop)
            step += 1
            due = evaluator.due(step)
            at_end = stopping or step == config.total_steps
            if not (due or at_end or step % config.save_every == 0):
                continue

            stopping = self._settle() or stopping
            # `_settle` has recorded the steps that are due; this record is of those since.
            if (at_end or stopping) and step % config.log.every:
                self._recorder.record(step)
            better = due and not stopping and self._evaluate(step)
            if step % config.save_every == 0 or better or at_end or stopping:
                # A stop request does not wait for an evaluation: the resumed run makes it first.
                self._save(step, owed=due and stopping)
            if stopping:
                break
        return step

    def _queue(self, done: int, stop: StopRequest) -> bool:
        """Queue the step after `done` steps, prepare the next one, and settle the one before.

        Returns whether that one says that some rank was asked to stop.
        """
        with explained(done + 1, self._config, self._ranks.world):
            taken = self._ahead.take()
            queued = self._train(done, taken.parts, stop, Spent(taken.waited, len(taken.dropped)))
        if done + 1 < self._config.total_steps:
            with explained(done + 2, self._config, self._ranks.world):
                self._ahead.prepare()
        stopping = self._settle()
        self._unread = (queued, taken)
        return stopping

    def _settle(self) -> bool:
        """Read the numbers of the step that was queued last, unless it is done. Returns whether to stop."""
        if self._unread is None:
            return False
        (queued, taken), self._unread = self._unread, None
        with explained(queued.number, self._config, self._ranks.world):
            result = queued.result()
        self._recorder.add(result, taken.dropped)
        if queued.number % self._config.log.every == 0:
            self._recorder.record(queued.number)
        return result.stopping

    def _evaluate(self, step: int) -> bool:
        with self._recorder.paused("evaluation"):
            return self._evaluator.evaluate(step)

    def _save(self, step: int, *, owed: bool = False) -> None:
        values = dict(self._recorder.values)
        if self._evaluator.step == step:
            values |= self._evaluator.metrics
        with self._recorder.paused("checkpoint"):
            self._saver.save(step, self._ahead.state, self._evaluator.best, values, owed=owed)
