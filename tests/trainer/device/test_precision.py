"""The same bits again, memory that runs out, and which device is taken."""

from __future__ import annotations

from pathlib import Path

import make_shards as shards_of
import pytest
import torch
from tiny_run import tiny_config, tiny_values
from torch.utils._python_dispatch import TorchDispatchMode

from trainer.device.errors import RunError, not_repeatable
from trainer.device.precision import choose_device, memory_advice, repeatable
from trainer.fit.train import train
from transforms.rendering import render

# From torch's list of what raises on CUDA in strict mode, those that models and metrics are tempted to use;
# and cumsum of floats, which raises there before torch 2.12.
NO_DETERMINISTIC_KERNEL = {
    *(
        "aten.scatter_reduce",
        "aten.scatter_reduce_",
        "aten.put_",
        "aten.histc",
        "aten.bincount",
        "aten.median",
    ),
    *("aten.nll_loss2d_forward", "aten.grid_sampler_2d_backward", "aten.upsample_bilinear2d_backward"),
    *("aten.upsample_bicubic2d_backward", "aten._adaptive_avg_pool2d_backward", "aten.cumsum"),
}


class Seen(TorchDispatchMode):
    """Which operators ran."""

    def __init__(self) -> None:
        super().__init__()
        self.names: set[str] = set()

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        name = str(func.overloadpacket)
        if name != "aten.cumsum" or args[0].is_floating_point():
            self.names.add(name)
        return func(*args, **(kwargs or {}))


@pytest.fixture(scope="module")
def stills(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return shards_of.write_shards(tmp_path_factory.mktemp("stills"), 2, 8, captions=("one", "two"))


def test_repeatable_is_strict_and_put_back() -> None:
    assert not torch.are_deterministic_algorithms_enabled()
    with repeatable(True):
        assert torch.are_deterministic_algorithms_enabled()
        assert (
            not torch.is_deterministic_algorithms_warn_only_enabled()
        )  # else attention's backward on CUDA is not repeatable
    assert not torch.are_deterministic_algorithms_enabled()
    with repeatable(False):
        assert not torch.are_deterministic_algorithms_enabled()


def test_an_operation_without_a_deterministic_kernel_is_one_line(
    stills: Path, tmp_path: Path, monkeypatch
) -> None:
    def put(*_: object, **__: object) -> None:
        torch.zeros(3).put_(torch.tensor([1]), torch.tensor([1.0]))  # has none on CPUs either

    monkeypatch.setattr("trainer.fit.ahead.to_device", put)
    with pytest.raises(
        RunError, match=r"^torch has no deterministic kernel here for put_; set deterministic=false$"
    ):
        train(tiny_config(stills, tmp_path / "run"))
    with pytest.raises(AttributeError):  # the operation itself went well
        train(tiny_config(stills, tmp_path / "run", deterministic=False))


def test_cublas_that_was_not_told_is_one_line() -> None:
    torchs = RuntimeError(
        "Deterministic behavior was enabled with either `torch.use_deterministic_algorithms(True)` or ..., "
        "but this operation "
        "is not deterministic because it uses CuBLAS and you have CUDA >= 10.2."
    )
    with (
        pytest.raises(RunError, match=r"CUBLAS_WORKSPACE_CONFIG=:4096:8.*deterministic=false"),
        repeatable(True),
    ):
        raise torchs
    assert not_repeatable(RuntimeError("another")) is None


def test_training_and_evaluation_use_what_repeats_itself_on_a_gpu(stills: Path, tmp_path: Path) -> None:
    model = {**tiny_values(stills, tmp_path)["model"], "interaction": {"enabled": True, "depth": 1}}
    changes = {"max_steps": 1, "data": {"eval_shards": str(stills)}, "model": model, "precision": "bf16"}
    with Seen() as seen:
        train(tiny_config(stills, tmp_path / "run", **changes))
    assert "aten.topk" in seen.names  # evaluated and re-ranked
    assert any("backward" in name for name in seen.names)
    assert not seen.names & NO_DETERMINISTIC_KERNEL


def test_a_full_machine_is_not_taken_for_a_full_gpu() -> None:
    said = "DefaultCPUAllocator: can't allocate memory: you tried to allocate 3221225472 bytes."
    with (
        pytest.raises(MemoryError, match="this machine has no room left"),
        memory_advice("is the GPU in use?"),
    ):
        raise RuntimeError(said)
    with pytest.raises(MemoryError, match="lower it"), memory_advice("lower it"):
        raise RuntimeError(said)


@pytest.mark.parametrize(
    "said", ["CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling", "cuDNN error: CUDNN_STATUS_ALLOC_FAILED"]
)
def test_libraries_without_memory_count_as_out_of_memory(
    said: str, stills: Path, tmp_path: Path, monkeypatch
) -> None:
    with pytest.raises(MemoryError, match="lower it"), memory_advice("lower it"):
        raise RuntimeError(said)

    def full(*_: object, **__: object) -> None:
        raise RuntimeError(said)

    monkeypatch.setattr("trainer.fit.ahead.to_device", full)
    with pytest.raises(RunError, match=r"out of memory at step 1.*raise accumulate"):
        train(tiny_config(stills, tmp_path / "run"))


@pytest.mark.skipif(torch.cuda.is_available(), reason="for machines where torch sees no GPU")
@pytest.mark.parametrize("choose", [choose_device, render.choose_device])
def test_a_driver_whose_gpu_torch_cannot_use_is_reported_once(
    choose, tmp_path: Path, monkeypatch, caplog
) -> None:
    monkeypatch.setattr(render, "DRIVER", str(tmp_path / "nvidiactl"))
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    for driver, lines in ((False, 0), (True, 1)):
        if driver:
            (tmp_path / "nvidiactl").touch()
        render.warn_of_unusable_gpu.cache_clear()
        assert [str(choose("auto")) for _ in range(2)] == ["cpu", "cpu"]
        assert len(caplog.messages) == lines
    assert "nvidiactl is here, but torch can use no GPU" in caplog.messages[0]
    caplog.clear()
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    render.warn_of_unusable_gpu.cache_clear()
    assert str(choose("auto")) == "cpu"
    assert caplog.messages == []
