"""GPUs of a worker's machine, and whether a job uses them."""

from __future__ import annotations

import os
from dataclasses import dataclass
from glob import glob

from schemas.errors import JobError
from schemas.text import counted

WORKERS_PER_GPU = 4  # with more of them device=auto leaves a GPU alone; by the costs in docs/runners.md


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
    and a GPU costs each clip two more messages and a copy of its frames, so many cores are faster without
    it. Raises JobError for device=cuda without a GPU.
    """
    if device == "cpu":
        return Rendering()
    if not renders:
        asked = device == "cuda" or _devices_that_may_be_visible()
        return Rendering(reason="store=still renders nothing: no GPU is used" if asked else "")
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
    devices = tuple(f"cuda:{number}" for number in range(count_devices()))
    if device == "cuda":
        return Rendering(devices)
    return Rendering(devices, f"device=auto: at most {WORKERS_PER_GPU} workers per GPU render slower")


def _devices_that_may_be_visible() -> int:
    """At most so many GPUs can be used, by the device files and CUDA_VISIBLE_DEVICES; 0 without a driver."""
    found = len(glob("/dev/nvidia[0-9]*")) or int(os.path.exists("/dev/dxg"))
    named = os.environ.get("CUDA_VISIBLE_DEVICES")
    return found if named is None else min(found, len([name for name in named.split(",") if name.strip()]))
