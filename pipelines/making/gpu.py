"""GPUs of a worker's machine; rendering on one, many clips in a call, and what it means when a call fails.

Failures of pictures are data. A batch that the GPU has no room for is halved. Whatever else CUDA reports ends
the job: after such a fault every later call of the process fails too, and good pictures would be recorded as
broken ones.
"""

from __future__ import annotations

import os
import queue
from collections.abc import Sequence
from dataclasses import dataclass, field
from glob import glob
from typing import Any

from numpy.typing import NDArray

from pipelines.making.maker import StageTimes
from schemas.errors import JobError
from schemas.records import Reason, SampleError, Stage, Task
from schemas.text import counted
from transforms.clip import Prepared

GPU_BATCH = 32  # clips rendered in one call
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
        where = f", {counted(len(self.devices), 'GPU')}" if self.devices else ""
        return f"{where}{f' ({self.reason})' if self.reason else ''}"


def choose_rendering(device: str, workers: int, *, renders: bool) -> Rendering:
    """Choose between the GPUs and the CPUs of this machine. torch is loaded only where a GPU may be used.

    `device` is cpu, cuda or auto. A store that renders nothing uses no GPU. "auto" takes the GPUs where each
    serves at most `WORKERS_PER_GPU` worker processes: rendering is about a third of a clip's work on a CPU,
    and frames that a GPU rendered have to pass through the job's process, so many cores are faster without
    it. Raises JobError for device=cuda without a GPU.
    """
    if device == "cpu" or not renders:
        return Rendering()
    visible = _devices_that_may_be_visible()
    if device == "auto" and visible * WORKERS_PER_GPU < workers:
        faster = f"{counted(workers, 'worker')} render faster than {counted(visible, 'GPU')}"
        reason = f"{faster}; device=cuda overrules"
        return Rendering(reason=reason if visible else "")
    from transforms.rendering.render import choose_device, count_devices

    try:
        if choose_device(device) == "cpu":
            return Rendering()
    except ValueError as error:
        raise JobError(str(error)) from error
    return Rendering(tuple(f"cuda:{number}" for number in range(count_devices())))


def _devices_that_may_be_visible() -> int:
    """At most so many GPUs can be used, by the device files and CUDA_VISIBLE_DEVICES; 0 without a driver."""
    found = len(glob("/dev/nvidia[0-9]*")) or int(os.path.exists("/dev/dxg"))
    named = os.environ.get("CUDA_VISIBLE_DEVICES")
    return found if named is None else min(found, len([name for name in named.split(",") if name.strip()]))


@dataclass
class GpuRenderer:
    """Thread-safe: the tasks of a worker process share it, and what it learned of the GPU's room."""

    size: tuple[int, int]  # (height, width) of a frame
    devices: Sequence[str]  # a call takes one that no other call uses
    batch: int = GPU_BATCH  # clips in a call; halved where there is no room for so many, and left so
    _free: queue.SimpleQueue[str] = field(default_factory=queue.SimpleQueue, init=False, repr=False)

    def __post_init__(self) -> None:
        for device in self.devices:
            self._free.put(device)

    def render(
        self, clips: Sequence[Prepared], task: Task, times: StageTimes
    ) -> list[NDArray[Any] | SampleError]:
        """frames_THWC of each clip, or why it has none.

        Raises JobError if the GPU fails, or has no room for one clip.
        """
        results: list[NDArray[Any] | SampleError] = []
        step = self.batch
        while len(results) < len(clips):
            step = min(step, self.batch)
            part = clips[len(results) : len(results) + step]
            rendered = self._call(part, times)
            if isinstance(rendered, list):
                results.extend(rendered)
                continue
            # Here and not where it was caught: there its traceback still held the tensors of the batch.
            if rendered.is_fault:
                raise JobError(
                    f"task {task.index}: the GPU failed while rendering ({rendered.text}); run the same "
                    f"command again to go "
                    "on, with another GPU (CUDA_VISIBLE_DEVICES=N) or into another output with device=cpu "
                    "if it fails again"
                )
            if rendered.no_room:
                self._make_room(len(part), task, rendered.text)
            elif len(part) == 1:
                results.append(SampleError(Stage.RENDER, Reason.ERROR, rendered.text))
                step = self.batch
                continue
            step = max(len(part) // 2, 1)
        return results

    def _call(self, clips: Sequence[Prepared], times: StageTimes) -> list[NDArray[Any]] | _Failed:
        from transforms.rendering.render import render_batch

        device = self._free.get()
        try:
            with times.timed("render"):
                images = [clip.image_HWC for clip in clips if clip.image_HWC is not None]
                return list(
                    render_batch(images, [clip.quads_T42 for clip in clips], size=self.size, device=device)
                )
        except Exception as error:
            return _Failed.of(error)
        finally:
            self._free.put(device)

    def _make_room(self, clips: int, task: Task, text: str) -> None:
        import torch

        if clips == 1:
            raise JobError(
                f"task {task.index}: the GPU has no room to render a single clip ({text}); end what else "
                f"runs on it and run "
                "the same command again, or render into another output with device=cpu"
            )
        torch.cuda.empty_cache()
        self.batch = min(self.batch, clips // 2)


@dataclass(frozen=True)
class _Failed:
    """The text of an exception, without its traceback."""

    text: str
    no_room: bool
    is_fault: bool

    @classmethod
    def of(cls, error: Exception) -> _Failed:
        import torch

        first = f"{type(error).__name__}: {error}".partition("\n")[0]
        no_room = isinstance(error, torch.OutOfMemoryError) or "CUDA error: out of memory" in str(error)
        device = isinstance(error, RuntimeError) and any(word in str(error).lower() for word in FAULTS)
        return cls(
            first[:DETAIL], no_room, not no_room and (device or isinstance(error, _accelerator_errors()))
        )


def _accelerator_errors() -> tuple[type[Exception], ...]:
    """torch's own class for what a device reports, from 2.8 on."""
    import torch

    return (torch.AcceleratorError,) if hasattr(torch, "AcceleratorError") else ()
