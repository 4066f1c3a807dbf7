"""Saving during training: every rank's state into one checkpoint, which the first rank writes."""

from __future__ import annotations

import torch

from schemas.text import one_line
from trainer.data.loader import LoaderState
from trainer.device.errors import RunError
from trainer.device.ranks import Ranks, barrier, gather_objects
from trainer.fit.checkpoint import Best, RankState, RunState, random_state, save_checkpoint
from trainer.fit.config import TrainConfig
from trainer.fit.recorder import Values
from trainer.logs.run_logs import RunLogs
from trainer.model.clip2video import CLIP2Video
from trainer.optimise.average import WeightAverage


class Saver:
    """Writes checkpoints of a run. All ranks must call `save`."""

    def __init__(
        self,
        config: TrainConfig,
        ranks: Ranks,
        model: CLIP2Video,
        optimizer: torch.optim.Optimizer,
        logs: RunLogs,
        average: WeightAverage | None = None,
    ) -> None:
        self._config, self._ranks, self._logs = config, ranks, logs
        self._model, self._optimizer, self._average = model, optimizer, average

    def save(self, step: int, loader: LoaderState, best: Best | None, values: Values, *, owed: bool) -> None:
        """Write the checkpoint of `step`; `owed`: an evaluation is due at this step and was not made.

        `loader` is this rank's position after the batches of that step; the loader itself is further.

        Raises RunError if it cannot be written.
        """
        of_rank = RankState(loader.to_dict(), random_state(self._ranks.device))
        states = gather_objects(of_rank, self._ranks)
        if self._ranks.first:
            try:
                self._logs.publish()  # first: a run resumed from this checkpoint needs the records up to it
                path = save_checkpoint(
                    self._config,
                    self._model,
                    self._optimizer,
                    RunState(step, states, best, owed),
                    values,
                    self._average,
                )
            except OSError as error:
                raise RunError(
                    f"step {step}: no checkpoint could be written: {one_line(error)}; "
                    "resume=true continues from the one before"
                ) from None
            self._logs.say(f"saved {path}")
        barrier(self._ranks)
