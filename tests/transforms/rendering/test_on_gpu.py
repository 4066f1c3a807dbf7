"""The renderer of a GPU: kornia's operators unless Triton is chosen and can render there."""

from __future__ import annotations

import logging

import numpy as np
import pytest
import torch

from trainer.data.animate import render_on_device
from trainer.data.batch import collate
from trainer.data.decode import Decoded
from transforms.rendering import kornia, on_gpu
from transforms.rendering.plan import plan_batch
from transforms.rendering.render import start_batch

CPU, CUDA = torch.device("cpu"), torch.device("cuda", 0)
FULL = on_gpu.FULL_T42


@pytest.fixture
def asked(monkeypatch) -> list[torch.device]:
    """The devices for which a renderer was asked."""
    devices: list[torch.device] = []

    def chosen(device):
        devices.append(device)
        return kornia.render_part

    monkeypatch.setattr(on_gpu, "part_renderer", chosen)
    return devices


def test_kornia_renders_by_default_and_on_a_cpu_always(monkeypatch) -> None:
    assert on_gpu.part_renderer(CUDA) is kornia.render_part
    monkeypatch.setattr(on_gpu, "ON_GPU", "triton")
    assert on_gpu.part_renderer(CPU) is kornia.render_part


@pytest.mark.skipif(torch.cuda.is_available(), reason="needs a machine where Triton cannot render")
def test_where_triton_cannot_render_kornia_does_and_one_line_says_why(monkeypatch, caplog) -> None:
    monkeypatch.setattr(on_gpu, "ON_GPU", "triton")
    on_gpu._fused.cache_clear()
    with caplog.at_level(logging.WARNING):
        assert [on_gpu.part_renderer(CUDA) for _ in range(2)] == [kornia.render_part] * 2
    (record,) = caplog.records
    assert record.getMessage().startswith("zoetrope: Triton cannot render on cuda:0 (")
    assert record.getMessage().endswith("): kornia renders")


def test_the_job_and_the_trainer_ask_for_the_renderer_of_their_device(asked) -> None:
    picture = np.arange(6 * 5 * 3, dtype=np.uint8).reshape(6, 5, 3)
    started = start_batch([picture], [FULL], size=(4, 4), device="cpu").frames()
    sample = Decoded("a", (0, 0, 0), ("one",), None, picture, FULL)
    tokens = torch.zeros(1, 2, dtype=torch.int64)
    batch = collate([sample], tokenize=lambda _: (tokens, tokens), frames=1, size=(4, 4))
    trained = render_on_device(batch, batch, (4, 4))
    assert asked == [CPU, CPU]
    np.testing.assert_array_equal(trained.numpy()[0], started[0])


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_on_a_gpu_triton_renders_if_it_is_chosen(monkeypatch) -> None:
    pytest.importorskip("triton")
    from transforms.rendering import fused

    monkeypatch.setattr(on_gpu, "ON_GPU", "triton")
    assert on_gpu.part_renderer(CUDA) is fused.render_part
    plan, words = plan_batch([FULL], [(4, 4)], (4, 4))
    pixels = torch.arange(48, dtype=torch.uint8)
    ours = on_gpu.render_planned(pixels.to(CUDA), plan, kornia.to_device(words, CUDA))
    assert torch.equal(ours.cpu().flatten(), pixels)
