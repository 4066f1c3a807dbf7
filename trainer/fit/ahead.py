"""The next step's batches are taken, copied and rendered while the device computes the step before.

The host queues a step, then prepares the next one on a side stream, and only then reads numbers. So the
device has work between two steps.
"""

from __future__ import annotations

import time
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass

import torch

from trainer.data.animate import Inputs, to_device
from trainer.data.batch import Batch
from trainer.data.loader import LoaderState, TrainingLoader
from trainer.data.shards import Dropped
from trainer.device.streams import SideStream, SideValue
from trainer.fit.advice import DEAD_WORKER


class Parts(Collection[Inputs]):
    """The parts of a step, each copied to the device and rendered when its turn comes; the first one earlier.

    A second pass over several parts renders them again, to the same bits, so that frames of two parts at most
    take memory.
    """

    def __init__(
        self,
        batches: Sequence[Batch],
        device: torch.device,
        size: tuple[int, int],
        side: SideStream | None = None,
    ) -> None:
        self._batches = batches
        self._device, self._size, self._side = device, size, side or SideStream(device)
        self._first: SideValue[Inputs] | None = None
        self.seconds = 0.0  # of the host, spent here so far

    @property
    def keys(self) -> list[str]:
        """Of all samples of the step."""
        return [key for batch in self._batches for key in batch.keys]

    def begin(self) -> None:
        """Prepare the first part now."""
        self._first = self._prepare(self._batches[0])

    def __len__(self) -> int:
        return len(self._batches)

    def __contains__(self, part: object) -> bool:
        return False  # every pass makes new parts

    def __iter__(self) -> Iterator[Inputs]:
        for batch in self._batches:
            prepared, self._first = self._first, None
            yield (prepared or self._prepare(batch)).take()

    def _prepare(self, batch: Batch) -> SideValue[Inputs]:
        began = time.perf_counter()
        prepared = self._side.run(lambda: to_device(batch, self._device, self._size))
        self.seconds += time.perf_counter() - began
        return prepared


@dataclass(frozen=True)
class Taken:
    """The batches of one step."""

    parts: Parts
    state: LoaderState  # to resume from after this step
    dropped: list[Dropped]  # samples that were left out on the way to these batches
    waited: float  # seconds of waiting for the loader


class Ahead:
    """The batches of one step after another, at most one step ahead of training."""

    def __init__(
        self,
        loader: TrainingLoader,
        accumulate: int,
        device: torch.device,
        size: tuple[int, int],
        *,
        workers: int,
    ) -> None:
        self._loader, self._accumulate, self._workers = loader, accumulate, workers
        self._device, self._size, self._side = device, size, SideStream(device)
        self._batches: Iterator[Batch] | None = None
        self._next: Taken | None = None
        self.state = loader.state()  # to resume from after the last step that was taken

    def prepare(self) -> None:
        """Take the next step's batches from the loader, and begin to prepare them on the device."""
        began = time.perf_counter()
        batches = self._from_loader()
        waited = time.perf_counter() - began
        parts = Parts(batches, self._device, self._size, self._side)
        # The loader is a step ahead of training, so its state goes with its batches until they are trained.
        self._next = Taken(parts, self._loader.state(), self._loader.take_dropped(), waited)
        parts.begin()

    def take(self) -> Taken:
        """Return the next step's batches, prepared or not yet."""
        if self._next is None:
            self.prepare()
        taken, self._next = self._next, None
        assert taken is not None  # noqa: S101 - narrows the type
        self.state = taken.state
        return taken

    def _from_loader(self) -> list[Batch]:
        self._batches = self._batches or iter(self._loader)
        try:
            return [next(self._batches) for _ in range(self._accumulate)]
        except (ConnectionError, EOFError) as error:
            if not self._workers or "in DataLoader worker process" in str(error):
                raise
            # A worker died while sending a batch. torch reports that within a second, which interrupts this.
            time.sleep(1.0)
            raise RuntimeError(f"{DEAD_WORKER} unknown): {error}") from None
