"""The renderer that all tasks of a process share: batches, slots, failures.

The device's renderer is replaced by OpenCV with errors as torch raises them; all else is the real job.
"""

from __future__ import annotations

import gc
import threading
import weakref
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
import torch

import transforms.rendering.render
from pipelines.animate import animate
from pipelines.config import AnimateConfig
from pipelines.making import clips as animator
from pipelines.making import render_service
from pipelines.making.gpu import Rendering
from pipelines.making.render_service import GPU_BATCH, SLOTS, RenderService, release_service, share_service
from pipelines.workers.arena import Placed, TaskSlots, place
from schemas.errors import JobError
from tests.pipelines.running.test_graph import leftovers, shards
from transforms.rendering.kornia import Started
from transforms.rendering.render import render_batch
from zoetrope.samples import write_coco

ILLEGAL = "CUDA error: an illegal memory access was encountered\nCUDA kernel errors might be asynchronously reported"
QUADS = np.tile(np.array([[0, 0], [1, 0], [1, 1], [0, 1]], np.float32), (2, 1, 1))


def write(frames: np.ndarray, output: np.ndarray | None) -> np.ndarray:
    if output is None:
        return frames
    output[...] = frames
    return output


class Device:
    """Renders, unless `fail(clips in the call, calls so far)` raises. Remembers the sizes of the calls."""

    def __init__(self, fail: Callable[[list, int], None]) -> None:
        self.fail = fail
        self.calls: list[int] = []

    def __call__(
        self,
        images: list,
        quads: list,
        *,
        size: tuple[int, int],
        device: str,
        stream: object,
        outputs: list,
    ) -> Started:
        assert device == "cuda:0"
        self.calls.append(len(images))
        self.fail(images, len(self.calls))
        return Started(
            [
                write(frames, output)
                for frames, output in zip(
                    render_batch(images, quads, size=size, device="cpu"), outputs, strict=True
                )
            ]
        )


@pytest.fixture(scope="module")
def source(tmp_path_factory) -> dict[str, str]:
    annotations, images = write_coco(tmp_path_factory.mktemp("coco"), 80, long_side=160)
    return {"kind": "coco", "annotations": str(annotations), "images": str(images)}


@pytest.fixture
def run(source, monkeypatch):
    """run(output, fail) -> the job's result and the device, which fails as `fail` says."""
    monkeypatch.setattr(animator, "choose_rendering", lambda *_, **__: Rendering(("cuda:0",)))

    def start(output: Path, fail: Callable[[list, int], None] = lambda images, calls: None, **more):
        device = Device(fail)
        monkeypatch.setattr(transforms.rendering.render, "start_batch", device)
        monkeypatch.setattr(render_service, "FILL_SECONDS", 0.2)  # so that full batches do not depend on luck
        clip = {"size": 32, "frames": 2}
        values = {
            "source": source,
            "output": str(output),
            "workers": 1,
            "clip": clip,
            "shard": {"max_samples": 40},
            **more,
        }
        return animate(AnimateConfig.make(values)), device

    return start


def no_room_above(most: int) -> Callable[[list, int], None]:
    def fail(images: list, calls: int) -> None:
        if len(images) > most:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB.")

    return fail


def test_a_batch_without_room_is_halved_and_the_size_remembered(run, tmp_path, monkeypatch):
    emptied = []
    monkeypatch.setattr(torch.cuda, "empty_cache", lambda: emptied.append(1))
    whole, _ = run(tmp_path / "whole")
    result, device = run(tmp_path / "clips", no_room_above(8))
    assert (result.written, result.failed) == (whole.written, whole.failed) == (80, 0)
    assert device.calls[:2] == [GPU_BATCH, GPU_BATCH // 2] or device.calls[:2] == [
        GPU_BATCH,
        GPU_BATCH,
    ]  # two tasks at once
    tried = [size for size in device.calls if size > 8]
    assert len(emptied) == len(tried) <= 4  # each of the two tasks may find it out for itself, but only once
    assert max(device.calls[-6:]) <= 8
    assert shards(tmp_path / "clips") == shards(tmp_path / "whole")


def test_what_failed_is_let_go_before_the_next_call(run, tmp_path):
    class Tensor:
        """Of the batch that fails, on the device."""

    held: list[weakref.ref] = []
    alive: list[int] = []  # at each call

    def fail(images: list, calls: int) -> None:
        alive.append(sum(ref() is not None for ref in held))
        if len(images) > 8:
            tensor = Tensor()
            held.append(weakref.ref(tensor))
            raise torch.OutOfMemoryError("CUDA out of memory.")

    gc.disable()
    try:
        assert (
            run(tmp_path, fail, shard={"max_samples": 80})[0].written == 80
        )  # one task, so that nobody else holds any
    finally:
        gc.enable()
    assert 2 <= len(held) <= 4  # a batch of the old size may have been queued already
    assert not any(alive)


@pytest.mark.parametrize(
    ("error", "message"),
    [
        (
            torch.OutOfMemoryError("CUDA out of memory. Another process has it."),
            "the GPU has no room to render a single clip .*it.*device=cpu",
        ),
        (
            RuntimeError("CUDA error: out of memory\nCUDA kernel"),
            "the GPU has no room to render a single clip",
        ),
        (
            RuntimeError(ILLEGAL),
            r"the GPU failed while rendering \(RuntimeError: CUDA error: an illegal .*same command again",
        ),
        (RuntimeError("cuDNN error: CUDNN_STATUS_EXECUTION_FAILED"), "the GPU failed while rendering"),
        (getattr(torch, "AcceleratorError", RuntimeError)(ILLEGAL), "the GPU failed while rendering"),
    ],
    ids=["oom", "oom of the driver", "illegal access", "cudnn", "accelerator"],
)
def test_a_failing_gpu_ends_the_job_in_one_line_and_the_same_command_goes_on(run, tmp_path, error, message):
    def fail(images: list, calls: int) -> None:
        if calls > 2:  # from then on for good: a fault stays with its process
            raise error

    with pytest.raises(JobError, match=rf"^task \d: {message}") as told:
        run(tmp_path, fail)
    assert "\n" not in str(told.value)
    assert not leftovers(tmp_path)
    result, _ = run(tmp_path)
    assert (result.totals.written, result.totals.failed, result.totals.off_by) == (80, 0, 0)


def test_a_picture_that_fails_is_a_failure_and_costs_few_calls(run, tmp_path):
    bad: list[bytes] = []

    def fail(images: list, calls: int) -> None:
        bad[:] = bad or [images[17].tobytes()]
        if any(image.tobytes() == bad[0] for image in images):
            raise ValueError("picture of 160x120: too large")

    result, device = run(tmp_path, fail, shard={"max_samples": 80})
    assert (result.written, result.failed, dict(result.totals.reasons)) == (79, 1, {"error": 1})
    assert len(device.calls) <= 5 + 2 * 5


def test_clips_of_several_tasks_share_a_batch_and_frames_are_those_of_each_alone(monkeypatch):
    rng = np.random.default_rng(0)
    images = [rng.integers(0, 256, (20 + i, 30, 3), np.uint8) for i in range(6)]
    device = Device(lambda images, calls: None)
    monkeypatch.setattr(transforms.rendering.render, "start_batch", device)
    monkeypatch.setattr(render_service, "FILL_SECONDS", 0.5)
    service = RenderService((8, 8), 2, ("cuda:0",))
    with ThreadPoolExecutor(3) as tasks:
        futures = list(tasks.map(lambda image: service.render(image, QUADS, None), images))
        frames = [future.result(timeout=20) for future in futures]
    service.close()
    assert device.calls == [6]
    for image, made in zip(images, frames, strict=True):
        np.testing.assert_array_equal(made, render_batch([image], [QUADS], size=(8, 8))[0])


def test_a_picture_in_a_slot_is_rendered_into_that_slot(monkeypatch):
    monkeypatch.setattr(transforms.rendering.render, "start_batch", Device(lambda images, calls: None))
    service = RenderService((8, 8), 2, ("cuda:0",))
    slots = TaskSlots(service.arena)
    image = np.random.default_rng(0).integers(0, 256, (20, 30, 3), np.uint8)
    slot = slots.take()
    frames = service.render(place(image, slot), QUADS, slot).result(timeout=20)
    assert isinstance(frames, Placed)
    assert frames.slot == slot
    expected = render_batch([image], [QUADS], size=(8, 8))[0]
    np.testing.assert_array_equal(service.arena.view(frames), expected)
    service.close()


def test_a_batch_is_queued_before_the_results_of_the_one_before_are_taken(monkeypatch):
    log: list[str] = []

    class Queued:
        def __init__(self, clips: int) -> None:
            self.clips, self.number = clips, sum("queue" in line for line in log)
            log.append(f"queue {self.number}")

        def frames(self) -> list[np.ndarray]:
            log.append(f"take {self.number}")
            return [np.zeros((2, 8, 8, 3), np.uint8)] * self.clips

    monkeypatch.setattr(
        transforms.rendering.render, "start_batch", lambda images, quads, **_: Queued(len(images))
    )
    monkeypatch.setattr(threading.Thread, "start", lambda thread: None)
    service = RenderService((8, 8), 2, ("cuda:0",))
    image = np.zeros((9, 9, 3), np.uint8)
    futures = [service.render(image, QUADS, None) for _ in range(3 * GPU_BATCH)]
    service._clips.put(None)
    service._serve("cuda:0")
    assert log == ["queue 0", "queue 1", "take 0", "queue 2", "take 1", "take 2"]
    assert all(future.done() for future in futures)


def test_pixels_and_frames_of_a_job_cross_in_slots_and_every_slot_comes_back(run, tmp_path, monkeypatch):
    kinds: list[bool] = []
    services: list[RenderService] = []
    real = RenderService.render

    def watching(self, image_HWC, quads_T42, slot):
        services.append(self)
        kinds.append(isinstance(image_HWC, Placed))
        return real(self, image_HWC, quads_T42, slot)

    monkeypatch.setattr(RenderService, "render", watching)
    monkeypatch.setattr(RenderService, "close", lambda self: None)  # so that the slots can be counted
    result, _ = run(tmp_path)
    assert (result.written, kinds) == (80, [True] * 80)
    assert {service.arena.free for service in services} == {SLOTS}


def test_without_free_slots_pixels_are_sent_and_the_bytes_are_the_same(run, tmp_path, monkeypatch):
    run(tmp_path / "slots")
    monkeypatch.setattr(render_service, "SLOTS", 0)
    assert run(tmp_path / "sent")[0].written == 80
    assert shards(tmp_path / "sent") == shards(tmp_path / "slots")


def test_clips_of_many_large_frames_have_fewer_slots_because_all_slots_are_page_locked():
    usual, large = RenderService((224, 224), 12, ()), RenderService((1024, 1024), 60, ())
    assert usual.arena.free == SLOTS
    assert 0 < large.arena.free < SLOTS
    assert len(large.arena.memory) <= render_service.ARENA_BYTES
    for service in (usual, large):
        service.close()


def test_makers_of_a_process_share_a_service():
    one, two = (share_service((8, 8), 2, ("cuda:0",)) for _ in range(2))
    assert one is two
    release_service(one)
    assert one._threads[0].is_alive()
    release_service(two)
    assert not one._threads[0].is_alive()


def test_each_gpu_has_a_call_of_its_own(monkeypatch):
    """Two calls at a time on two devices: never the same one."""
    taken: list[str] = []
    both = threading.Barrier(2, timeout=20)

    def start(images, quads, *, size, device, stream, outputs):
        taken.append(device)
        both.wait()
        return Started([np.zeros((1, 8, 8, 3), np.uint8) for _ in images])

    monkeypatch.setattr(transforms.rendering.render, "start_batch", start)
    monkeypatch.setattr(render_service, "GPU_BATCH", 1)
    service = RenderService((8, 8), 2, ("cuda:0", "cuda:1"))
    image = np.zeros((8, 8, 3), np.uint8)
    for future in [service.render(image, QUADS, None) for _ in range(4)]:
        assert future.result(timeout=20).shape == (1, 8, 8, 3)
    service.close()
    assert sorted(taken) == ["cuda:0", "cuda:0", "cuda:1", "cuda:1"]
