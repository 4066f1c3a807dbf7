"""Ranks: one process, or those that torchrun started (gloo on CPUs, NCCL on GPUs)."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, NoReturn, TypeVar

import torch
import torch.distributed as dist
from torch import Tensor

from schemas.text import one_line
from trainer.device.errors import RunError
from trainer.device.precision import choose_device

T = TypeVar("T")
CHUNK_BYTES = 1 << 26  # of rows that are sent at a time


@dataclass(frozen=True)
class Ranks:
    """This process among its peers."""

    rank: int
    world: int
    device: torch.device

    @property
    def first(self) -> bool:
        """Whether this rank writes files and speaks to the user."""
        return self.rank == 0


@contextmanager
def start_ranks(device: str) -> Iterator[Ranks]:
    """Join the group that torchrun describes in the environment, or be alone. Leave it at the end.

    Not after an error: its orderly end waits for peers that wait for this rank in a collective. See `leave`.
    """
    world = int(os.environ.get("WORLD_SIZE", "1"))
    if world == 1 or dist.is_initialized():
        if dist.is_initialized():
            mine = (dist.get_rank(), dist.get_world_size())
        else:
            mine = (0, 1)
        yield Ranks(*mine, choose_device(device, int(os.environ.get("LOCAL_RANK", "0"))))
        return
    chosen = choose_device(device, int(os.environ["LOCAL_RANK"]))
    backend, device_id = "gloo", None
    if chosen.type == "cuda":
        backend, device_id = "nccl", chosen
    # An hour, because the others wait while the first rank writes a checkpoint.
    dist.init_process_group(backend, timeout=timedelta(hours=1), device_id=device_id)
    yield Ranks(dist.get_rank(), world, chosen)
    dist.destroy_process_group()


def leave(code: int) -> NoReturn:
    """End this process with an exit code.

    After an error among ranks it ends at once, because NCCL waits for the other ranks when the interpreter
    exits. torchrun sees the code and ends the peers.
    """
    if code and dist.is_initialized():
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)
    sys.exit(code)


class _Gather(torch.autograd.Function):
    """Concatenate a tensor over ranks.

    Backward sums what every rank's loss asks of the part that came from here.
    """

    @staticmethod
    def forward(ctx: Any, tensor: Tensor) -> Tensor:
        gathered = tensor.new_empty((dist.get_world_size() * tensor.shape[0], *tensor.shape[1:]))
        dist.all_gather_into_tensor(gathered, tensor.contiguous())
        ctx.rows = tensor.shape[0]
        return gathered

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> Tensor:
        # all_reduce writes in place, and autograd may have given the same tensor to other functions
        grad = grads[0].clone(memory_format=torch.contiguous_format)
        dist.all_reduce(grad)
        start = dist.get_rank() * ctx.rows
        return grad[start : start + ctx.rows]


def gather(tensor: Tensor, ranks: Ranks) -> Tensor:
    """[n,...] on every rank -> [world x n,...] in rank order, with a gradient.

    Let each rank compute the mean loss over all rows from what it gathered, and let gradients be averaged
    over ranks, as DDP does. The result is the gradient of that loss in one process.
    """
    if ranks.world == 1:
        return tensor
    gathered: Tensor = _Gather.apply(tensor)
    return gathered


def gather_objects(value: T, ranks: Ranks) -> list[T]:
    """Small Python values from every rank, in rank order, on every rank."""
    if ranks.world == 1:
        return [value]
    values: list[Any] = [None] * ranks.world
    dist.all_gather_object(values, value)
    return values


def gather_rows(rows: Tensor, ranks: Ranks) -> Tensor:
    """Rows [n,...] on the CPU of every rank, each with an n of its own -> all rows in rank order, on the CPU.

    All ranks get the same. At most `CHUNK_BYTES` pass through the device at a time.
    """
    if ranks.world == 1:
        return rows
    shapes = gather_objects((tuple(rows.shape), rows.dtype), ranks)
    filled = next((shape for shape in shapes if shape[0][0]), shapes[0])
    whole = torch.empty(sum(shape[0] for shape, _ in shapes), *filled[0][1:], dtype=filled[1])
    bytes_ = whole.view(-1).view(torch.uint8)
    row_bytes = bytes_.numel() // max(1, len(whole))
    start = 0
    for rank, (shape, _) in enumerate(shapes):
        stop = start + shape[0] * row_bytes
        if rank == ranks.rank:
            bytes_[start:stop] = rows.contiguous().view(-1).view(torch.uint8)
        for part in bytes_[start:stop].split(CHUNK_BYTES):
            sent = part.to(ranks.device)
            dist.broadcast(sent, rank)
            part.copy_(sent)
        start = stop
    return whole


def together(work: Callable[[], T], ranks: Ranks) -> T:
    """Run `work`, which has no collective in it, on every rank. If it fails on one, raise on all.

    Otherwise the others would wait in the next collective for a rank that has left. A rank whose own work
    failed raises that error, the others a RunError with its message.
    """
    if ranks.world == 1:
        return work()
    error: Exception | None = None
    failed: str | None = None
    try:
        result = work()
    except Exception as raised:
        error, failed = raised, one_line(raised, 400)
    failures = gather_objects(failed, ranks)
    if error is not None:
        raise error
    for rank, failure in enumerate(failures):
        if failure is not None:
            raise RunError(f"rank {rank}: {failure}")
    return result


def barrier(ranks: Ranks) -> None:
    """Wait for all ranks."""
    if ranks.world > 1:
        dist.barrier()


@torch.no_grad()
def mean(tensor: Tensor, ranks: Ranks) -> Tensor:
    """The mean over ranks of a tensor without gradient."""
    if ranks.world > 1:
        dist.all_reduce(tensor)
        tensor = tensor / ranks.world
    return tensor


@torch.no_grad()
def maximum(tensor: Tensor, ranks: Ranks) -> Tensor:
    """The largest of every number over ranks; in place."""
    if ranks.world > 1:
        dist.all_reduce(tensor, dist.ReduceOp.MAX)
    return tensor
