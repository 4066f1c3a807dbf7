"""A CUDA device without data, on a machine without one: tensors are fake, and streams and events keep a log.

torch's autograd engine needs a real device, so gradients are zeros, by no operator of a backward pass.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
import torch
from torch import Tensor

from benchmarks.operators import CUDA, fake_cuda

__all__ = ["CUDA", "FakeGpu", "fake_gpu"]


class FakeGpu:
    """The log: what was asked of streams and events, in order."""

    def __init__(self) -> None:
        self.log: list[str] = []
        self.parameters: list[Tensor] = []  # they get a gradient from `backward`


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

        def record(self, stream: Stream) -> None:
            self.stream = stream.name
            gpu.log.append(f"event of {stream.name}")

        def synchronize(self) -> None:
            gpu.log.append(f"host waits for {self.stream}")

    main = Stream()
    main.name = "main"

    @contextmanager
    def within(stream: Stream) -> Iterator[None]:
        gpu.log.append(f"on {stream.name}")
        yield

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
        "current_stream": lambda device=None: main,
    }
    for name, value in patches.items():
        monkeypatch.setattr(torch.cuda, name, value)
    monkeypatch.setattr(Tensor, "record_stream", record_stream)
    monkeypatch.setattr(Tensor, "backward", backward)
    monkeypatch.setattr(torch.autograd, "grad", grad)
    monkeypatch.setattr(Tensor, "pin_memory", lambda tensor: tensor)
    with fake_cuda():
        yield gpu
