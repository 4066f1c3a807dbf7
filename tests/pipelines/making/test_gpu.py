"""GPUs: when they are used, and their failures.

The device renderer is replaced by OpenCV with errors as torch raises them; all else is the real job.
"""

from __future__ import annotations

import gc
import threading
import weakref
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch

import transforms.rendering.render
from pipelines.animate import animate
from pipelines.config import AnimateConfig
from pipelines.making import clips as animator
from pipelines.making import gpu
from pipelines.making.gpu import GPU_BATCH, GpuRenderer, Rendering, choose_rendering
from pipelines.making.maker import StageTimes
from pipelines.running.engine import choose_runner
from schemas.errors import JobError
from schemas.records import Task
from tests.pipelines.running.test_graph import leftovers, shards
from zoetrope.samples import write_coco

REAL = transforms.rendering.render.render_batch
ILLEGAL = "CUDA error: an illegal memory access was encountered\nCUDA kernel errors might be asynchronously reported"


class Device:
    """Renders, unless `fail(clips in the call, calls so far)` raises. Remembers the sizes of the calls."""

    def __init__(self, fail: Callable[[list, int], None]) -> None:
        self.fail = fail
        self.calls: list[int] = []

    def __call__(self, images: list, quads: list, *, size: tuple[int, int], device: str) -> list:
        assert device == "cuda:0"
        self.calls.append(len(images))
        self.fail(images, len(self.calls))
        return REAL(images, quads, size=size, device="cpu")


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
        monkeypatch.setattr(transforms.rendering.render, "render_batch", device)
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
    assert max(device.calls[-6:]) == 8
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
    assert len(held) == 2
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
    bad: list[int] = []

    def fail(images: list, calls: int) -> None:
        bad[:] = bad or [id(images[17])]
        if bad[0] in map(id, images):
            raise ValueError("picture of 160x120: too large")

    result, device = run(tmp_path, fail, shard={"max_samples": 80})
    assert (result.written, result.failed, dict(result.totals.reasons)) == (79, 1, {"error": 1})
    assert len(device.calls) <= 3 + 2 * 5
    assert device.calls[-2:] == [GPU_BATCH, 80 - 2 * GPU_BATCH]  # the size is that of before


def machine(monkeypatch, gpus: int, usable: int | None = None) -> None:
    """A machine with so many device files, of which torch can use `usable`."""
    monkeypatch.setattr(gpu, "glob", lambda pattern: [f"/dev/nvidia{number}" for number in range(gpus)])
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    count = gpus if usable is None else usable
    monkeypatch.setattr(transforms.rendering.render, "count_devices", lambda: count)


@pytest.mark.parametrize(
    ("gpus", "workers", "devices"),
    [(1, 4, ("cuda:0",)), (1, 5, ()), (2, 8, ("cuda:0", "cuda:1")), (2, 16, ()), (0, 2, ())],
)
def test_auto_takes_the_gpus_only_where_each_serves_few_workers(monkeypatch, gpus, workers, devices):
    machine(monkeypatch, gpus)
    rendering = choose_rendering("auto", workers, renders=True)
    assert rendering.devices == devices
    assert bool(rendering.reason) == (gpus > 0 and not devices)


def test_the_first_line_says_what_renders_and_why(monkeypatch):
    machine(monkeypatch, 1)
    assert choose_runner((), 2, "auto").describe() == "direct runner, 2 workers, 1 GPU"
    assert choose_runner((), 16, "auto").describe() == (
        "direct runner, 16 workers (16 workers render faster than 1 GPU; device=cuda overrules)"
    )
    assert choose_runner((), 16, "cuda").describe() == "direct runner, 16 workers, 1 GPU"
    assert choose_runner((), 16, "cpu").describe() == "direct runner, 16 workers"


def test_nothing_that_is_not_rendered_looks_for_a_gpu(monkeypatch):
    machine(monkeypatch, 1)
    monkeypatch.setattr(transforms.rendering.render, "count_devices", lambda: pytest.fail("loads torch"))
    assert choose_rendering("cuda", 2, renders=False) == Rendering()
    assert choose_rendering("cpu", 2, renders=True) == Rendering()
    assert choose_rendering("auto", 64, renders=True).devices == ()


def test_cuda_without_a_gpu_is_one_line_and_auto_is_the_cpu(monkeypatch):
    machine(monkeypatch, 1, usable=0)
    with pytest.raises(JobError, match="this machine has 0 CUDA devices"):
        choose_rendering("cuda", 2, renders=True)
    assert choose_rendering("auto", 2, renders=True) == Rendering()


def test_each_call_has_a_gpu_of_its_own(monkeypatch, source):
    """Two calls at a time on two devices: never the same one."""
    taken: list[str] = []
    both = threading.Barrier(2, timeout=20)

    def render_batch(images, quads, *, size, device):
        taken.append(device)
        both.wait()
        return [np.zeros((1, 8, 8, 3), np.uint8) for _ in images]

    monkeypatch.setattr(transforms.rendering.render, "render_batch", render_batch)
    renderer = GpuRenderer((8, 8), ("cuda:0", "cuda:1"))
    clip = SimpleNamespace(image_HWC=np.zeros((8, 8, 3), np.uint8), quads_T42=np.zeros((1, 4, 2)))
    with ThreadPoolExecutor(2) as pool:
        calls = [pool.submit(renderer.render, [clip], Task(0, 1, {}), StageTimes()) for _ in range(4)]
        assert all(len(call.result()) == 1 for call in calls)
    assert sorted(taken) == ["cuda:0", "cuda:0", "cuda:1", "cuda:1"]


def test_no_gpus_are_looked_for_where_another_machine_renders(monkeypatch):
    monkeypatch.setattr(gpu, "glob", lambda pattern: pytest.fail("looks for GPUs on a submitter"))
    choice = choose_runner(["--runner=FlinkRunner", "--flink_master=host:8081"], None, "auto")
    assert choice.rendering == Rendering()
