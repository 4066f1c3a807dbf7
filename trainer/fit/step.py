"""One training step of this rank, from batches to updated weights, in the order in which it happens.

The host only queues a step. Its numbers are read when the next one is queued, so the device never waits for
the host. The device itself leaves out an update whose loss or gradient is not finite, and every update after
it.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import NamedTuple

import torch
from torch import Tensor

from schemas.keys import derive_seed
from trainer.device.compiler import choose_compiling
from trainer.device.errors import RunError
from trainer.device.precision import memory_gb
from trainer.device.ranks import Ranks, gather_objects, maximum, mean
from trainer.device.stop import StopRequest
from trainer.device.streams import PendingNumbers, without_wait
from trainer.fit.advice import not_finite
from trainer.fit.ahead import Parts
from trainer.fit.config import TrainConfig
from trainer.model.clip2video import CLIP2Video
from trainer.objective.gradients import Gradients, StepLoss
from trainer.optimise.average import WeightAverage
from trainer.optimise.optim import clamp_logit_scale, lr_share, named_parameters, set_lr, step_unless


class Spent(NamedTuple):
    """The cost of a step's batches for a rank's host; in a result the largest of every number over ranks."""

    waited: float = 0.0  # seconds of waiting for the loader
    dropped: float = 0.0  # samples that were left out on the way to these batches
    prepared: float = 0.0  # seconds of copying batches to the device and planning their rendering
    memory_gb: float = 0.0  # peak so far, of the GPU or, on a CPU, of the process


@dataclass(frozen=True)
class StepResult:
    """The measurements of one step, equal on all ranks."""

    values: dict[str, float | None]  # loss and its parts, negatives, grad_norm, lr.*: means over ranks
    stopping: bool  # some rank was asked to stop
    spent: Spent
    ended: float  # by `time.perf_counter`, as far as the host knows


@dataclass(frozen=True)
class QueuedStep:
    """A step that the device may still be busy with."""

    number: int  # 1 for the first step of a run
    names: tuple[str, ...]
    numbers: PendingNumbers  # of those names, then those of `Spent`
    rates: dict[str, float]
    queued: float  # by `time.perf_counter`
    explain: Callable[[dict[str, float]], str]  # the line about a step that was not finite

    def result(self) -> StepResult:
        """Wait for the step's numbers.

        Raises RunError if the loss or the gradient was not finite on some rank; the weights are then those
        before the step. All ranks must call it.
        """
        read = self.numbers.read()
        spent = Spent(*read[len(self.names) :])
        numbers = dict(zip(self.names, read, strict=False))
        if not all(map(math.isfinite, numbers.values())):
            raise RunError(self.explain(numbers))
        stopping = numbers.pop("stop") > 0
        if self.numbers.is_late:
            ended = time.perf_counter()
        else:
            ended = self.queued
        return StepResult({**numbers, **self.rates}, stopping, spent, ended)


class TrainingStep:
    """Runs optimisation steps on the model's parameters."""

    def __init__(
        self,
        config: TrainConfig,
        ranks: Ranks,
        model: CLIP2Video,
        optimizer: torch.optim.Optimizer,
        average: WeightAverage | None = None,
    ) -> None:
        """Raises ConfigError if the config wants to compile and this machine cannot."""
        self._config, self._ranks, self._model, self._optimizer = config, ranks, model, optimizer
        self._average = average
        self._gradients = Gradients(
            model,
            ranks,
            config.loss,
            precision=config.precision,
            compile=choose_compiling(config.compile, ranks.device).enabled,
            dual_frozen=config.freeze == "dual",
        )
        self._broken = torch.zeros((), device=ranks.device)  # 1 from the first step on that was not finite

    def __call__(
        self, done: int, parts: Parts, stop: StopRequest | None = None, spent: Spent | None = None
    ) -> QueuedStep:
        """Queue the training on this rank's `accumulate` batches after `done` steps.

        All ranks learn from the result whether to `stop`, and what the batches cost the slowest of them. So
        records need no exchange of their own, which would wait for the device.
        """
        optim = self._config.optim
        rates = set_lr(self._optimizer, lr_share(done, self._config.total_steps, optim))
        self._model.train()
        self._optimizer.zero_grad(set_to_none=True)

        seed = derive_seed(self._config.seed, "negatives", done) >> 1  # torch takes 63 bits
        loss = self._gradients.backward(parts, seed=seed)
        trained = [parameter for _, parameter in named_parameters(self._optimizer)]
        norm = torch.nn.utils.clip_grad_norm_(trained, optim.clip_norm)

        measured = self._measured(loss, norm, stop is not None and stop.asked)
        means = mean(torch.stack(list(measured.values())), self._ranks)
        # All ranks have the same means, so all leave the same updates out.
        self._broken = torch.maximum(self._broken, 1 - means.isfinite().all().float())
        step_unless(self._broken, self._optimizer)
        clamp_logit_scale(self._model, optim.max_logit_scale)
        if self._average is not None:
            self._average.update(done + 1)

        device = self._ranks.device
        spent = (spent or Spent())._replace(prepared=parts.seconds, memory_gb=memory_gb(device))
        most = maximum(without_wait(torch.tensor(spent), device), self._ranks)
        scale = self._model.clip.logit_scale.detach().float().exp().view(1)
        shown_rates = {f"lr.{name}": rate for name, rate in rates.items() if not name.endswith("no_decay")}
        return QueuedStep(
            number=done + 1,
            names=(*measured, "logit_scale"),
            numbers=PendingNumbers(torch.cat([means, scale, most])),
            rates=shown_rates,
            queued=time.perf_counter(),
            explain=partial(self._not_finite, done + 1, parts.keys, loss.broken),
        )

    def _measured(self, loss: StepLoss, norm: Tensor, stop: bool) -> dict[str, Tensor]:
        """Return the numbers of the step on this rank, 0-d on the device."""
        return {
            "loss": loss.total.detach(),
            **loss.parts,
            "negatives": loss.negatives,
            "grad_norm": norm,
            "stop": torch.full_like(norm, stop),
        }

    def _not_finite(self, number: int, keys: list[str], broken_N: Tensor, numbers: dict[str, float]) -> str:
        broken = [key for key, bad in zip(keys, broken_N.tolist(), strict=True) if bad]
        broken_everywhere = [key for of_rank in gather_objects(broken, self._ranks) for key in of_rank]
        all_keys = [key for of_rank in gather_objects(keys, self._ranks) for key in of_rank]
        return not_finite(number, numbers["loss"], numbers["grad_norm"], broken_everywhere, all_keys)
