"""The exponential moving average of the weights (Polyak averaging), which is evaluated and saved."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext

import torch
from torch import Tensor, nn


class WeightAverage:
    """The average of a model's trained parameters, float32, on their device. Frozen ones have none."""

    def __init__(self, model: nn.Module, decay: float) -> None:
        """`decay`: share of the average that stays at a step, 0 <= decay < 1."""
        self._decay = decay
        trained = {name: p for name, p in model.named_parameters() if p.requires_grad}
        self.names = list(trained)
        self._parameters: list[Tensor] = [parameter.data for parameter in trained.values()]
        self._averages = [tensor.clone() for tensor in self._parameters]

    @torch.no_grad()
    def update(self, steps: int) -> None:
        """Take in the weights after `steps` steps.

        Early in a run the decay is (1 + steps) / (10 + steps) if that is less, so that the average forgets
        the weights of the start. `num_updates` of TensorFlow's ExponentialMovingAverage does the same.
        """
        decay = min(self._decay, (1 + steps) / (10 + steps))
        torch._foreach_lerp_(self._averages, self._parameters, 1 - decay)

    @contextmanager
    def applied(self) -> Iterator[None]:
        """Put the averages in the model's place; afterwards the trained weights are back, to the last bit."""
        self._exchange()
        try:
            yield
        finally:
            self._exchange()

    def trained(self) -> dict[str, Tensor]:
        """Return the trained weights by name. Not inside `applied`."""
        return dict(zip(self.names, self._parameters, strict=True))

    def restore(self, averages: Mapping[str, Tensor], trained: Mapping[str, Tensor]) -> None:
        """Put back what a checkpoint holds. Raises KeyError naming a parameter that it lacks."""
        for name, average, parameter in zip(self.names, self._averages, self._parameters, strict=True):
            average.copy_(averages[name])
            parameter.copy_(trained[name])

    @torch.no_grad()
    def _exchange(self) -> None:
        kept = [tensor.clone() for tensor in self._parameters]
        torch._foreach_copy_(self._parameters, self._averages)
        torch._foreach_copy_(self._averages, kept)


def averaged(average: WeightAverage | None) -> AbstractContextManager[None]:
    """Return `average.applied()`, or a context that does nothing without an average."""
    if average is None:
        return nullcontext()
    return average.applied()
