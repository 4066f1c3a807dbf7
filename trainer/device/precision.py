"""The device of a rank, its memory, the precision of its forward pass, and running the same bits again."""

from __future__ import annotations

import os
import resource
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Any

import torch

from schemas.errors import ConfigError
from trainer.device.errors import NO_ROOM, RunError, first_line, no_memory, not_repeatable, of_cpu
from transforms.rendering.render import warn_of_unusable_gpu


def choose_device(name: str, local_rank: int = 0) -> torch.device:
    """``auto``, ``cpu`` or ``cuda`` -> this rank's device.

    Raises ConfigError if CUDA is asked for and not there.
    """
    if name == "auto" and not torch.cuda.is_available() and local_rank == 0:
        warn_of_unusable_gpu()
    if name == "cpu" or (name == "auto" and not torch.cuda.is_available()):
        return torch.device("cpu")
    if not torch.cuda.is_available():
        raise ConfigError(
            "device=cuda, but this machine has no CUDA device that torch can use; set device=cpu or auto"
        )
    if local_rank >= torch.cuda.device_count():
        raise ConfigError(
            f"rank {local_rank} of this machine has no GPU: there are {torch.cuda.device_count()}; set "
            "--nproc_per_node to that"
        )
    device = torch.device("cuda", local_rank)
    torch.cuda.set_device(device)
    return device


def autocast(device: torch.device, precision: str) -> AbstractContextManager[object]:
    """bfloat16 matrix products over float32 weights, or plain float32."""
    return torch.autocast(device.type, dtype=torch.bfloat16, enabled=precision == "bf16")


def memory_gb(device: torch.device) -> float:
    """Return the peak of GPU memory so far, or on a CPU the peak of this process's resident memory."""
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device) / 1e9
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e9


@contextmanager
def memory_advice(advice: str) -> Iterator[None]:
    """Where torch runs out of memory: MemoryError with one line that says what to do."""
    try:
        yield
    except RuntimeError as error:
        if not no_memory(error):
            raise
        if of_cpu(error) and "GPU" in advice:
            advice = NO_ROOM
        raise MemoryError(f"out of memory: {advice}. torch says: {first_line(error)}") from None


@contextmanager
def repeatable(enabled: bool) -> Iterator[None]:
    """Let torch take only kernels that give the same bits every time.

    Raises RunError naming an operation that has none.

    Not with warn_only: attention's backward then takes the other kernel, and cuDNN's without a warning.
    """
    if not enabled:
        yield
        return
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")  # cuBLAS reads it when it starts
    before = (
        torch.are_deterministic_algorithms_enabled(),
        torch.is_deterministic_algorithms_warn_only_enabled(),
    )
    memory: Any = torch.utils.deterministic
    fill = memory.fill_uninitialized_memory
    torch.use_deterministic_algorithms(True)
    memory.fill_uninitialized_memory = False  # costs time, and nothing here reads such memory
    try:
        yield
    except RuntimeError as error:
        if (advice := not_repeatable(error)) is None:
            raise
        raise RunError(advice) from None
    finally:
        torch.use_deterministic_algorithms(before[0], warn_only=before[1])
        memory.fill_uninitialized_memory = fill
