"""GPUs of a worker's machine: whether a job uses them, and what it means when a call fails.

Failures of pictures are data. A batch that the GPU has no room for is halved. Whatever else CUDA reports ends
the worker process, or a job on this machine. After such a fault every later call of the process fails too,
and good pictures would be recorded as broken ones.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from glob import glob

from schemas.errors import JobError, SickWorkerError
from schemas.text import counted

WORKERS_PER_GPU = 4  # with more of them device=auto leaves a GPU alone; by the costs in docs/runners.md
DETAIL = 300  # characters of a message; CUDA appends advice for programmers
FAULTS = ("cuda", "cudnn", "cublas")  # in the text of a RuntimeError: the device's, not the picture's


@dataclass(frozen=True)
class Rendering:
    """Where a job's clips are rendered on one machine, and why."""

    devices: tuple[str, ...] = ()  # cuda:0, cuda:1, ...; none: the worker processes render on their CPU
    reason: str = ""  # for the first line of a run; empty where there was nothing to choose

    def describe(self) -> str:
        """Words for the first line of a run."""
        where = ""
        if self.devices:
            where = f", {counted(len(self.devices), 'GPU')}"
        if self.reason:
            return f"{where} ({self.reason})"
        return where


def choose_rendering(device: str, workers: int, *, renders: bool) -> Rendering:
    """Choose between the GPUs and the CPUs of this machine. torch is loaded only where a GPU may be used.

    `device` is cpu, cuda or auto. A store that renders nothing uses no GPU. "auto" takes the GPUs where each
    serves at most `WORKERS_PER_GPU` worker processes. Rendering is about a third of a clip's work on a CPU. A
    GPU costs each clip two more messages and a copy of its frames, so many cores are faster without it.
    Raises JobError for device=cuda without a GPU.
    """
    if device == "cpu":
        return Rendering()
    if not renders:
        if device == "cuda" or _devices_that_may_be_visible():
            return Rendering(reason="store=still renders nothing: no GPU is used")
        return Rendering()
    visible = _devices_that_may_be_visible()
    if device == "auto" and visible * WORKERS_PER_GPU < workers:
        if not visible:
            return Rendering()
        faster = f"{counted(workers, 'worker')} render faster than {counted(visible, 'GPU')}"
        return Rendering(reason=f"{faster}; device=cuda overrules")
    from transforms.rendering.render import choose_device, count_devices

    try:
        if choose_device(device) == "cpu":
            return Rendering()
    except ValueError as error:
        raise JobError(str(error)) from error
    devices = tuple(f"cuda:{number}" for number in range(count_devices()))
    if device == "cuda":
        return Rendering(devices)
    return Rendering(devices, f"device=auto: at most {WORKERS_PER_GPU} workers per GPU render slower")


def _devices_that_may_be_visible() -> int:
    """At most so many GPUs can be used, by the device files and CUDA_VISIBLE_DEVICES; 0 without a driver."""
    found = len(glob("/dev/nvidia[0-9]*")) or int(os.path.exists("/dev/dxg"))
    named = os.environ.get("CUDA_VISIBLE_DEVICES")
    if named is None:
        return found
    return min(found, len([name for name in named.split(",") if name.strip()]))


class GpuError(Exception):
    """The GPU failed, which holds for the rest of the process, or has no room for one clip."""

    def __init__(self, text: str, no_room: bool) -> None:
        super().__init__(text)
        self.no_room = no_room

    def for_job(self, task: int) -> JobError:
        """Return what ends the job."""
        if self.no_room:
            return JobError(
                f"task {task}: the GPU has no room to render a single clip ({self}); end what else runs on "
                "it and run the same command again, or render into another output with device=cpu"
            )
        return SickWorkerError(
            f"task {task}: the GPU failed while rendering ({self}); run the same command again to continue, "
            "with another GPU (CUDA_VISIBLE_DEVICES=N) or into another output with device=cpu if it fails "
            "again"
        )


@dataclass(frozen=True)
class GpuFailure:
    """The text of an exception, without its traceback, which would hold the tensors of the batch."""

    text: str
    no_room: bool
    is_fault: bool

    @classmethod
    def of(cls, error: Exception) -> GpuFailure:
        """Tell what an exception of a call means."""
        import torch

        if isinstance(error, GpuError):
            return cls(str(error), no_room=False, is_fault=True)
        first = f"{type(error).__name__}: {error}".partition("\n")[0]
        no_room = isinstance(error, torch.OutOfMemoryError) or "CUDA error: out of memory" in str(error)
        device = isinstance(error, RuntimeError) and any(word in str(error).lower() for word in FAULTS)
        return cls(
            first[:DETAIL], no_room, not no_room and (device or isinstance(error, _accelerator_errors()))
        )


def _accelerator_errors() -> tuple[type[Exception], ...]:
    """torch's own class for what a device reports, from 2.8 on."""
    import torch

    if not hasattr(torch, "AcceleratorError"):
        return ()
    return (torch.AcceleratorError,)
