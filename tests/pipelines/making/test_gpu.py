"""GPUs shared out among processes, and their failures.

The device renderer is replaced by OpenCV with errors as torch raises them; all else is the real job.
"""

from __future__ import annotations

import gc
import weakref
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

import transforms.rendering.render
from pipelines.animate import animate
from pipelines.config import AnimateConfig
from pipelines.making import clips as animator
from pipelines.making.gpu import GPU_BATCH
from pipelines.running import engine as runner
from pipelines.running.engine import choose_runner
from schemas.errors import JobError
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
        assert device == "cuda"
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
    monkeypatch.setattr(animator, "worker_device", lambda name: "cuda")

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


def test_no_gpus_are_looked_for_where_another_machine_renders(monkeypatch):
    monkeypatch.setattr(runner, "count_gpus", lambda: pytest.fail("loads torch on a submitter"))
    assert choose_runner(["--runner=FlinkRunner", "--flink_master=host:8081"], None, uses_gpus=True).gpus == 0
