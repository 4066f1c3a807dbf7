"""The one line that a failing run ends with: what happened, at which step, and which settings to change."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from schemas.text import one_line
from trainer.device.errors import RunError, first_line, no_memory
from trainer.fit.config import TrainConfig

DEAD_WORKER = "DataLoader worker (pid"  # how torch begins when a worker was killed
NAMED = 20  # samples that one message names


@contextmanager
def explained(step: int, config: TrainConfig, world: int) -> Iterator[None]:
    """Turn torch's errors of a full memory and of a dead loader process into a RunError with advice.

    torch raises the second wherever this process is when a worker dies, so it covers loading and computing.
    """
    try:
        yield
    except RuntimeError as error:
        if no_memory(error):
            raise RunError(out_of_memory(step, config, world, error)) from None
        if DEAD_WORKER in str(error):
            raise RunError(dead_worker(step, config, error)) from None
        raise


def out_of_memory(step: int, config: TrainConfig, world: int, error: Exception) -> str:
    """Say what to lower for a step that did not fit into memory."""
    part = config.global_batch_size // world // config.accumulate
    checkpointing = "set model.grad_checkpointing=true, "
    if config.model.grad_checkpointing:
        checkpointing = ""
    return (
        f"out of memory at step {step} with {part} clips of {config.model.max_frames} frames at a time on "
        f"each GPU: {checkpointing}raise accumulate (now {config.accumulate}; negatives stay), or lower "
        f"global_batch_size (now {config.global_batch_size}). torch says: {first_line(error)}"
    )


def dead_worker(step: int, config: TrainConfig, error: Exception) -> str:
    """Say what to lower after a loader process died."""
    return (
        f"step {step}: a loader process has died, most likely of memory: lower data.workers "
        f"(now {config.data.workers}), data.shuffle_megabytes or data.batches_ahead; torch says: "
        f"{one_line(error, 200)}"
    )


def not_finite(step: int, loss: float, norm: float, broken: Sequence[str], all_keys: Sequence[str]) -> str:
    """Name the samples of a step without a finite loss: those with broken features, or else all of them."""
    named = broken or all_keys
    what = "samples of the step"
    if broken:
        what = "samples whose features are not finite"
    return (
        f"step {step}: the loss is {loss} and the gradient's norm {norm}; {what}: {some_of(named, ', ')}; "
        f"look at them, lower optim.lr_clip and optim.lr_new, or set precision=fp32"
    )


def some_of(items: Sequence[object], separator: str) -> str:
    """Join the first NAMED items and count the others."""
    more = ""
    if len(items) > NAMED:
        more = f" and {len(items) - NAMED} more"
    return separator.join(map(str, items[:NAMED])) + more
