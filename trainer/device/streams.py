"""Work of a GPU next to its main stream, and numbers that reach the host without holding it up.

A CPU has one stream: work runs at once, and numbers are there.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import fields, is_dataclass
from typing import Any, Generic, TypeVar

import torch
from torch import Tensor

T = TypeVar("T")


class PendingNumbers:
    """Numbers of the device on their way to the host."""

    def __init__(self, numbers: Tensor) -> None:
        self._numbers = numbers
        self._arrived: Any = None
        if numbers.device.type == "cuda":
            self._numbers = torch.empty(numbers.shape, dtype=numbers.dtype, pin_memory=True)
            self._numbers.copy_(numbers, non_blocking=True)
            self._arrived = torch.cuda.Event(blocking=True)  # who waits sleeps, and leaves the core to others
            self._arrived.record(torch.cuda.current_stream(numbers.device))

    @property
    def is_late(self) -> bool:
        """Whether the device may still be busy with what the numbers are of."""
        return self._arrived is not None

    def read(self) -> list[float]:
        """Wait until the numbers have arrived, and return them."""
        if self._arrived is not None:
            self._arrived.synchronize()
        values: list[float] = self._numbers.tolist()
        return values


class SideValue(Generic[T]):
    """A value that the side stream makes. `take` it once, in the main stream."""

    def __init__(self, value: T, made: Any, stream_of: Callable[[], Any]) -> None:
        self._values = [value]
        self._made, self._stream_of = made, stream_of

    def take(self) -> T:
        """Return the value; what is queued from now on waits for it, and the host does not."""
        value = self._values.pop()
        if self._made is not None:
            main = self._stream_of()
            main.wait_event(self._made)
            for tensor in tensors_of(value):
                # Else the allocator would give its memory to the side stream's next batch as soon as the host
                # has dropped it, while the main stream still reads it.
                tensor.record_stream(main)
        return value


class SideStream:
    """A second stream of one device."""

    def __init__(self, device: torch.device) -> None:
        self._device = device
        self._stream = None
        if device.type == "cuda":
            self._stream = torch.cuda.Stream(device)

    def run(self, work: Callable[[], T]) -> SideValue[T]:
        """Queue the work's operations on the second stream. It must read nothing that the main one writes."""
        if self._stream is None:
            return SideValue(work(), None, lambda: None)
        with torch.cuda.stream(self._stream):
            value = work()
            made = torch.cuda.Event()
            made.record(self._stream)
        return SideValue(value, made, lambda: torch.cuda.current_stream(self._device))


def tensors_of(value: Any) -> Iterator[Tensor]:
    """Yield the tensors in dataclasses, tuples and lists."""
    if isinstance(value, Tensor):
        yield value
    elif is_dataclass(value) and not isinstance(value, type):
        yield from _tensors_in(getattr(value, field.name) for field in fields(value))
    elif isinstance(value, tuple | list):
        yield from _tensors_in(value)


def _tensors_in(values: Iterable[Any]) -> Iterator[Tensor]:
    for value in values:
        yield from tensors_of(value)


def without_wait(tensor: Tensor, device: torch.device) -> Tensor:
    """Copy a tensor to the device. A GPU takes it from pinned memory, so the host does not wait."""
    if device.type == "cuda" and not tensor.is_pinned():
        tensor = tensor.pin_memory()
    return tensor.to(device, non_blocking=True)
