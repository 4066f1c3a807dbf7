"""One renderer per GPU for all tasks of a process: batches are filled with clips of any task.

A thread per GPU queues a batch (copy, render, copy back) and then takes the results of the batch before, so
the two overlap. Pictures and frames are in slots of shared memory, where worker processes write and read
them. The memory is page-locked, so a GPU copies from and to it without a copy by the host.
"""

from __future__ import annotations

import math
import queue
import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import Future
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import cycle
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipelines.making.gpu import GpuError, GpuFailure
from pipelines.workers.arena import Arena, Placed, Slot
from schemas.records import Reason, SampleError, Stage

GPU_BATCH = 32  # clips rendered in one call
FILL_SECONDS = 0.005  # a batch that is not full waits so long for the next clip
SLOTS = 8 * GPU_BATCH  # pictures and frames that workers and GPUs have between them
SLOT_BYTES = 2 << 20  # at least; larger pictures are sent
ARENA_BYTES = 1 << 30  # of all slots, which are page-locked: clips of many large frames have fewer


@dataclass(frozen=True, eq=False)
class Clip:
    """A picture with its path, on its way through a GPU."""

    image_HWC: NDArray[Any] | Placed
    quads_T42: NDArray[Any]
    slot: Slot | None  # for the frames; the picture may be in it
    future: Future[NDArray[Any] | Placed | SampleError] = field(default_factory=Future)


class RenderService:
    """Thread-safe. Close it after use."""

    def __init__(self, size: tuple[int, int], frames: int, devices: Sequence[str]) -> None:
        """`size`: (height, width) of a frame; `frames`: of a clip; `devices`: cuda:0, cuda:1, ..."""
        self.size, self.devices = size, tuple(devices)
        self.batch = GPU_BATCH  # clips in a call; halved where there is no room for so many, and left so
        slot_bytes = max(SLOT_BYTES, frames * size[0] * size[1] * 3)
        self.arena = Arena(min(SLOTS, ARENA_BYTES // slot_bytes), slot_bytes)
        self._page_locked = _lock_pages(self.arena.memory)
        self._clips: queue.SimpleQueue[Clip | None] = queue.SimpleQueue()
        self._fault: GpuError | None = None
        self._threads = [
            threading.Thread(target=self._serve, args=(device,), name=f"render-{device}", daemon=True)
            for device in self.devices
        ]
        for thread in self._threads:
            thread.start()

    def render(
        self, image_HWC: NDArray[Any] | Placed, quads_T42: NDArray[Any], slot: Slot | None
    ) -> Future[NDArray[Any] | Placed | SampleError]:
        """Queue a clip. The result is frames_THWC, in the slot if they fit it, or why there are none.

        The result raises GpuError if the GPU fails, or has no room for one clip.
        """
        clip = Clip(image_HWC, quads_T42, slot)
        self._clips.put(clip)
        return clip.future

    def close(self) -> None:
        """Render what is queued, and end the threads."""
        for _ in self._threads:
            self._clips.put(None)
        for thread in self._threads:
            thread.join()
        if self._page_locked:
            _unlock_pages(self.arena.memory)
        self.arena.close()

    def _serve(self, device: str) -> None:
        """The body of a GPU's thread."""
        streams = _streams(device)
        under_way: _Call | None = None
        closing = False
        while not closing:
            clips, closing = self._collect(wait=under_way is None)
            started = None
            if clips:
                started = self._start(clips, device, next(streams))
            if under_way is not None:
                self._finish(under_way, device)
            under_way = started
        if under_way is not None:
            self._finish(under_way, device)

    def _collect(self, *, wait: bool) -> tuple[list[Clip], bool]:
        """Take up to a batch of clips, and whether the service is closing. With `wait` at least one clip."""
        clips: list[Clip] = []
        timeout: float | None = 0.0
        if wait:
            timeout = None
        with suppress(queue.Empty):
            while len(clips) < self.batch:
                if timeout != 0.0:
                    clip = self._clips.get(timeout=timeout)
                else:
                    clip = self._clips.get_nowait()
                if clip is None:
                    return clips, True
                if clip.future.set_running_or_notify_cancel():
                    clips.append(clip)
                timeout = FILL_SECONDS
        return clips, False

    def _start(self, clips: list[Clip], device: str, stream: Any) -> _Call:
        from transforms.rendering import render

        try:
            if self._fault is not None:
                raise self._fault
            started = render.start_batch(
                [self.arena.view(clip.image_HWC) for clip in clips],
                [clip.quads_T42 for clip in clips],
                size=self.size,
                device=device,
                stream=stream,
                outputs=[self._output(clip) for clip in clips],
            )
            return _Call(clips, started, None)
        except Exception as error:
            return _Call(clips, None, GpuFailure.of(error))

    def _finish(self, call: _Call, device: str) -> None:
        """Hand the frames of a call out. Of a call that failed, try its halves."""
        failed = call.failed
        if call.started is not None:
            try:
                frames = call.started.frames()
            except Exception as error:
                failed = GpuFailure.of(error)
            else:
                for clip, frames_THWC in zip(call.clips, frames, strict=True):
                    clip.future.set_result(self._place(clip) or frames_THWC)
                return
        call.started = None  # and with it the batch's tensors
        if failed is not None:
            self._try_halves(call.clips, failed, device)

    def _place(self, clip: Clip) -> Placed | None:
        """Return where the clip's frames go, if they fit its slot. Its picture has been read by then."""
        frames_THWC = (len(clip.quads_T42), *self.size, 3)
        if clip.slot is None or math.prod(frames_THWC) > clip.slot.size:
            return None
        return Placed(clip.slot, frames_THWC)

    def _output(self, clip: Clip) -> NDArray[Any] | None:
        place = self._place(clip)
        if place is None:
            return None
        return self.arena.view(place)

    def _try_halves(self, clips: list[Clip], failed: GpuFailure, device: str) -> None:
        if failed.is_fault or (failed.no_room and len(clips) == 1):
            self._fail(clips, failed)
            return
        if failed.no_room:
            self._make_room(len(clips))
        elif len(clips) == 1:
            clips[0].future.set_result(SampleError(Stage.RENDER, Reason.ERROR, failed.text))
            return
        half, tried = max(len(clips) // 2, 1), 0
        while tried < len(clips):
            size = min(half, self.batch)  # which may shrink meanwhile
            # On the current stream, one call after the other: an overlap would take memory again.
            self._finish(self._start(clips[tried : tried + size], device, None), device)
            tried += size

    def _fail(self, clips: list[Clip], failed: GpuFailure) -> None:
        fault = GpuError(failed.text, failed.no_room)
        if failed.is_fault:
            self._fault = fault
        for clip in clips:
            clip.future.set_exception(fault)

    def _make_room(self, clips: int) -> None:
        import torch

        torch.cuda.empty_cache()
        self.batch = min(self.batch, clips // 2)


@dataclass
class _Call:
    """Clips in one call, and what has become of it."""

    clips: list[Clip]
    started: Any  # a transforms.rendering.kornia.Started; None if the call failed
    failed: GpuFailure | None


def _lock_pages(memory: NDArray[np.uint8]) -> bool:
    """Let GPUs read and write this memory by themselves.

    False where they cannot; copies then go through the driver's own buffers.
    """
    import torch

    if not torch.cuda.is_available() or not memory.nbytes:
        return False
    runtime = torch.cuda.cudart()
    portable = 1  # for all GPUs
    status = runtime.cudaHostRegister(memory.ctypes.data, memory.nbytes, portable)
    return bool(status == runtime.cudaError.success)


def _unlock_pages(memory: NDArray[np.uint8]) -> None:
    import torch

    torch.cuda.cudart().cudaHostUnregister(memory.ctypes.data)


def _streams(device: str) -> Iterator[Any]:
    """Yield two streams of a GPU in turn, for ever; None on a machine without one."""
    import torch

    if not torch.cuda.is_available():
        return cycle([None])
    return cycle([torch.cuda.Stream(torch.device(device)) for _ in range(2)])


@dataclass
class _Shared:
    service: RenderService
    users: int = 0


# A Beam worker process makes several instances of a DoFn, each with a maker, for the same GPUs.
_shared: dict[tuple[Any, ...], _Shared] = {}
_shared_lock = threading.Lock()


def share_service(size: tuple[int, int], frames: int, devices: Sequence[str]) -> RenderService:
    """Return this process's service for clips of that size, started if need be. Release it after use."""
    with _shared_lock:
        name = (size, frames, tuple(devices))
        shared = _shared.get(name)
        if shared is None:
            shared = _shared[name] = _Shared(RenderService(size, frames, devices))
        shared.users += 1
        return shared.service


def release_service(service: RenderService) -> None:
    """Give a shared service back; it ends with its last user."""
    with _shared_lock:
        name = next(name for name, shared in _shared.items() if shared.service is service)
        _shared[name].users -= 1
        if _shared[name].users:
            return
        del _shared[name]
    service.close()
