"""Work on a side stream is handed over without a wait of the host, and late numbers wait for their copy."""

from __future__ import annotations

from dataclasses import dataclass

import pytest
import torch
from fake_gpu import CUDA, fake_gpu
from torch import Tensor

from trainer.data.packing import Packing
from trainer.device.streams import PendingNumbers, SideStream, tensors_of, without_wait

CPU = torch.device("cpu")


@dataclass
class Value:
    name: str
    pixels: Tensor
    packing: Packing | None


def test_every_tensor_of_a_handed_over_value_is_kept_for_the_main_stream(monkeypatch) -> None:
    with fake_gpu(monkeypatch) as gpu:
        side = SideStream(CUDA)
        made = side.run(lambda: [Value("a", torch.zeros(2, device=CUDA), None), torch.ones(1, device=CUDA)])
        assert gpu.log == ["on side", "event of side"]
        made.take()
    assert gpu.log[2:] == ["main waits for side", "kept for main", "kept for main"]
    with pytest.raises(IndexError):  # a value is taken once
        made.take()


def test_late_numbers_cost_one_wait_where_they_are_read(monkeypatch) -> None:
    with fake_gpu(monkeypatch) as gpu:
        later = PendingNumbers(torch.zeros(3, device=CUDA))
        assert gpu.log == ["event of main"]
        monkeypatch.setattr(later._numbers, "tolist", lambda: [0.0] * 3)  # fake tensors hold no numbers
        assert later.read() == [0.0] * 3
    assert gpu.log == ["event of main", "host waits for main"]


def test_on_a_cpu_work_runs_at_once() -> None:
    ran: list[int] = []
    made = SideStream(CPU).run(lambda: ran.append(1) or "value")
    assert ran == [1]
    assert made.take() == "value"
    assert PendingNumbers(torch.tensor([1.0, 2.0])).read() == [1.0, 2.0]
    assert without_wait(torch.ones(2), CPU).tolist() == [1.0, 1.0]


def test_tensors_are_found_in_dataclasses_and_tuples() -> None:
    one, two, three = torch.zeros(1), torch.zeros(2), torch.zeros(3)
    assert [len(t) for t in tensors_of([Value("a", one, Packing(two, three)), "text", None])] == [1, 2, 3]
