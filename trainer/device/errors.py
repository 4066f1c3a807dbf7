"""Errors that end a run, and the advice that torch's errors deserve."""

from __future__ import annotations

import torch
import torch.distributed as dist

from schemas.errors import WorkError

# Of a full GPU's driver, of a CPU, of cuBLAS and cuDNN.
NO_MEMORY = ("out of memory", "can't allocate memory", "STATUS_ALLOC_FAILED")
NO_ROOM = "this machine has no room left; make the model or the batch smaller, or close what else runs"
NO_KERNEL = " does not have a deterministic implementation"
# CUBLAS_WORKSPACE_CONFIG had another value, or was set after cuBLAS had started.
CUBLAS_UNTOLD = "because it uses CuBLAS"
# gloo's RuntimeErrors have no class of their own.
LOST_PEER = ("Connection closed by peer", "Connection reset by peer")


class RunError(WorkError, RuntimeError):
    """A run that cannot continue. The message is one line that says what to do."""


class NotFiniteError(RunError, ValueError):
    """A model whose features or scores are not finite, so that nothing can be ranked by them."""


def first_line(error: BaseException) -> str:
    """The line of torch's that is worth repeating."""
    return str(error).partition("\n")[0][:200]


def no_memory(error: BaseException) -> bool:
    """Whether memory is what lacks: torch says so in more than one way."""
    return isinstance(error, torch.OutOfMemoryError) or any(words in str(error) for words in NO_MEMORY)


def of_cpu(error: BaseException) -> bool:
    """Is it the machine's memory that is full, and not a GPU's?"""
    return "CPUAllocator" in str(error)


def lost_peer(error: BaseException) -> bool:
    """Whether a collective failed, as it does when another rank has ended."""
    return isinstance(error, dist.DistError) or any(words in str(error) for words in LOST_PEER)


def not_repeatable(error: BaseException) -> str | None:
    """Advice for an operation that cannot repeat its bits, or None if the error is another."""
    kernel, found, _ = str(error).partition(NO_KERNEL)
    if found:
        return (
            f"torch has no deterministic kernel here for {kernel.rpartition(' ')[2]}; set deterministic=false"
        )
    if CUBLAS_UNTOLD in str(error):
        return (
            "cuBLAS repeats itself only with CUBLAS_WORKSPACE_CONFIG=:4096:8; set that outside, or "
            "deterministic=false"
        )
    return None
