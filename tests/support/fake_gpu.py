"""A CUDA device without data, on a machine without one: tensors are fake, and streams, events and copies
from memory that is not page-locked keep a log.

torch's autograd engine needs a real device, so gradients are zeros, by no operator of a backward pass.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.utils._device import _device_constructors

from benchmarks.operators import CUDA, fake_cuda

__all__ = ["CUDA", "PAGEABLE", "FakeGpu", "fake_gpu"]

PAGEABLE = "host copies pageable memory"  # in the log: a copy for which the host waits, whatever it asks for


class FakeGpu:
    """The log: what was asked of streams and events, in order."""

    def __init__(self) -> None:
        self.log: list[str] = []
        self.parameters: list[Tensor] = []  # they get a gradient from `backward`
        self._page_locked: dict[int, Any] = {}  # storages, kept so that their numbers stay theirs

    def lock(self, tensor: Tensor) -> Tensor:
        """Take the tensor's memory for page-locked."""
        storage = tensor.untyped_storage()
        self._page_locked[storage._cdata] = storage
        return tensor

    def check(self, target: Any, source: Tensor) -> None:
        """Log a copy between the host and the device if the host's memory is not page-locked."""
        device = target.device if isinstance(target, Tensor) else torch.device(target)
        if device.type == source.device.type or not source.numel():
            return
        host = source if source.device.type == "cpu" else target
        if isinstance(host, Tensor) and host.untyped_storage()._cdata not in self._page_locked:
            self.log.append(PAGEABLE)


def _watch_copies(gpu: FakeGpu, monkeypatch: pytest.MonkeyPatch) -> None:
    """Have copies checked, and page-locked memory known."""
    _device_constructors()  # it remembers the functions that `with device:` changes: the real ones
    empty, to, copy = torch.empty, Tensor.to, Tensor.copy_

    def locking(*shape: Any, pin_memory: bool = False, **options: Any) -> Tensor:
        made = empty(*shape, **options)
        return gpu.lock(made) if pin_memory else made

    def moving(source: Tensor, *arguments: Any, **options: Any) -> Tensor:
        if arguments and isinstance(arguments[0], str | torch.device):
            gpu.check(arguments[0], source)
        return to(source, *arguments, **options)

    def copying(target: Tensor, source: Tensor, **options: Any) -> Tensor:
        gpu.check(target, source)
        return copy(target, source, **options)

    monkeypatch.setattr(torch, "empty", locking)
    monkeypatch.setattr(Tensor, "to", moving)
    monkeypatch.setattr(Tensor, "copy_", copying)
    monkeypatch.setattr(Tensor, "pin_memory", lambda tensor: gpu.lock(tensor.clone()))


@contextmanager
def fake_gpu(monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeGpu]:
    """Run on fake tensors; `torch.cuda`'s streams and events write into a log."""
    gpu = FakeGpu()

    class Stream:
        def __init__(self, device: object = None) -> None:
            self.name = "side"

        def wait_event(self, event: Event) -> None:
            gpu.log.append(f"{self.name} waits for {event.stream}")

    class Event:
        stream = ""

        def __init__(self, *, blocking: bool = False) -> None:
            self.wait = "waits" if blocking else "spins"

        def record(self, stream: Stream) -> None:
            self.stream = stream.name
            gpu.log.append(f"event of {stream.name}")

        def synchronize(self) -> None:
            gpu.log.append(f"host {self.wait} for {self.stream}")

    main = Stream()
    main.name = "main"
    current = [main]

    @contextmanager
    def within(stream: Stream) -> Iterator[None]:
        gpu.log.append(f"on {stream.name}")
        current.append(stream)
        yield
        current.pop()

    def record_stream(tensor: Tensor, stream: Stream) -> None:
        gpu.log.append(f"kept for {stream.name}")

    def backward(tensor: Tensor) -> None:
        for parameter in gpu.parameters:
            parameter.grad = torch.zeros_like(parameter)

    def grad(of: Tensor, inputs: list[Tensor], **options: object) -> list[Tensor]:
        return [torch.zeros_like(tensor) for tensor in inputs]

    patches: dict[str, Any] = {
        "Stream": Stream,
        "Event": Event,
        "stream": within,
        "current_stream": lambda device=None: current[-1],
    }
    for name, value in patches.items():
        monkeypatch.setattr(torch.cuda, name, value)
    monkeypatch.setattr(Tensor, "record_stream", record_stream)
    monkeypatch.setattr(Tensor, "backward", backward)
    monkeypatch.setattr(torch.autograd, "grad", grad)
    # Else autocast takes the device for absent, and computes in float32.
    monkeypatch.setattr(torch.cuda.amp.common, "amp_definitely_not_available", lambda: False)
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda *_: True)
    _watch_copies(gpu, monkeypatch)
    with fake_cuda():
        yield gpu
