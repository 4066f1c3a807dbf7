"""One training step of this rank, from batches to updated weights, in the order in which it happens."""

from __future__ import annotations

import math
import time
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass

import torch

from schemas.keys import derive_seed
from trainer.data.animate import Inputs, to_device
from trainer.data.batch import Batch
from trainer.device.errors import RunError
from trainer.device.ranks import Ranks, gather_objects, mean
from trainer.device.stop import StopRequest
from trainer.fit.advice import not_finite
from trainer.fit.config import TrainConfig
from trainer.fit.optim import clamp_logit_scale, lr_share, named_parameters, set_lr
from trainer.model.clip2video import CLIP2Video
from trainer.objective.gradients import Gradients, StepLoss


@dataclass(frozen=True)
class StepResult:
    """The measurements of one step, equal on all ranks except for `prepare_seconds`."""

    values: dict[str, float | None]  # loss and its parts, negatives, grad_norm, lr.*: means over ranks
    stopping: bool  # some rank was asked to stop
    prepare_seconds: float  # spent on copying batches to the device and planning their rendering


class _Parts(Collection[Inputs]):
    """The parts of a step, each copied to the device and rendered when its turn comes.

    A second pass over several parts renders them again, to the same bits, so that frames of two parts at most
    take memory.
    """

    def __init__(self, batches: Sequence[Batch], device: torch.device, size: tuple[int, int]) -> None:
        self._batches, self._device, self._size = batches, device, size
        self.seconds = 0.0  # of the host, spent here so far

    def __len__(self) -> int:
        return len(self._batches)

    def __contains__(self, part: object) -> bool:
        return False  # every pass makes new parts

    def __iter__(self) -> Iterator[Inputs]:
        for batch in self._batches:
            yield self._prepared(batch)

    def _prepared(self, batch: Batch) -> Inputs:
        began = time.perf_counter()
        part = to_device(batch, self._device, self._size)
        self.seconds += time.perf_counter() - began
        return part


class TrainingStep:
    """Runs optimisation steps on the model's parameters."""

    def __init__(
        self, config: TrainConfig, ranks: Ranks, model: CLIP2Video, optimizer: torch.optim.Optimizer
    ) -> None:
        self._config, self._ranks, self._model, self._optimizer = config, ranks, model, optimizer
        self._gradients = Gradients(
            model,
            ranks,
            config.loss,
            precision=config.precision,
            compile=config.compile,
            dual_frozen=config.freeze == "dual",
        )
        self._size = (model.image_size, model.image_size)

    def __call__(self, done: int, batches: Sequence[Batch], stop: StopRequest | None = None) -> StepResult:
        """Train on this rank's `accumulate` batches after `done` steps; all ranks learn whether to `stop`.

        Raises RunError if the loss or the gradient is not finite on some rank; the weights are then
        unchanged.
        """
        optim = self._config.optim
        rates = set_lr(self._optimizer, lr_share(done, self._config.total_steps, optim))
        self._model.train()
        self._optimizer.zero_grad(set_to_none=True)

        parts = _Parts(batches, self._ranks.device, self._size)
        seed = derive_seed(self._config.seed, "negatives", done) >> 1  # torch takes 63 bits
        loss = self._gradients.backward(parts, seed=seed)
        trained = [parameter for _, parameter in named_parameters(self._optimizer)]
        norm = torch.nn.utils.clip_grad_norm_(trained, optim.clip_norm)

        numbers, stopping = self._mean_over_ranks(loss, norm, stop is not None and stop.asked)
        if not all(map(math.isfinite, numbers.values())):
            raise RunError(self._not_finite(done, loss, batches, numbers))
        self._optimizer.step()
        clamp_logit_scale(self._model, optim.max_logit_scale)

        shown_rates = {f"lr.{name}": rate for name, rate in rates.items() if not name.endswith("no_decay")}
        return StepResult({**numbers, **shown_rates}, stopping, parts.seconds)

    def _mean_over_ranks(
        self, loss: StepLoss, norm: torch.Tensor, stop: bool
    ) -> tuple[dict[str, float], bool]:
        """Read all numbers of the step at once: this is its only wait for the device."""
        measured = {
            "loss": loss.total.detach(),
            **loss.parts,
            "negatives": loss.negatives,
            "grad_norm": norm,
            "stop": torch.full_like(norm, stop),
        }
        means = mean(torch.stack(list(measured.values())), self._ranks).tolist()
        numbers = dict(zip(measured, means, strict=True))
        return numbers, numbers.pop("stop") > 0

    def _not_finite(
        self, done: int, loss: StepLoss, batches: Sequence[Batch], numbers: dict[str, float]
    ) -> str:
        keys = [key for batch in batches for key in batch.keys]
        broken = [key for key, bad in zip(keys, loss.broken.tolist(), strict=True) if bad]
        broken_everywhere = [key for of_rank in gather_objects(broken, self._ranks) for key in of_rank]
        all_keys = [key for of_rank in gather_objects(keys, self._ranks) for key in of_rank]
        return not_finite(done + 1, numbers["loss"], numbers["grad_norm"], broken_everywhere, all_keys)
