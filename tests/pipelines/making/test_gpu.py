"""When GPUs are used, and what the first line of a run says of it."""

from __future__ import annotations

import pytest

import transforms.rendering.render
from pipelines.making import gpu
from pipelines.making.gpu import Rendering, choose_rendering
from pipelines.running.engine import choose_runner
from schemas.errors import JobError


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
    assert bool(rendering.reason) == (gpus > 0)


def test_the_first_line_says_what_renders_and_why(monkeypatch):
    machine(monkeypatch, 1)
    assert choose_runner((), 2, "auto").describe() == (
        "direct runner, 2 workers, 1 GPU (device=auto: at most 4 workers per GPU render slower)"
    )
    assert choose_runner((), 16, "auto").describe() == (
        "direct runner, 16 workers (16 workers render faster than 1 GPU; device=cuda overrules)"
    )
    assert choose_runner((), 16, "cuda").describe() == "direct runner, 16 workers, 1 GPU"
    assert choose_runner((), 16, "cpu").describe() == "direct runner, 16 workers"
    assert choose_runner((), 2, "none").describe() == (
        "direct runner, 2 workers (store=still renders nothing: no GPU is used)"
    )


def test_nothing_that_is_not_rendered_looks_for_a_gpu(monkeypatch):
    machine(monkeypatch, 1)
    monkeypatch.setattr(transforms.rendering.render, "count_devices", lambda: pytest.fail("loads torch"))
    for device in ("cuda", "auto"):
        still = choose_rendering(device, 2, renders=False)
        assert still.devices == ()
        assert still.describe() == " (store=still renders nothing: no GPU is used)"
    assert choose_rendering("cpu", 2, renders=True) == Rendering()
    assert choose_rendering("auto", 64, renders=True).devices == ()
    machine(monkeypatch, 0)
    assert choose_rendering("auto", 2, renders=False) == Rendering()


def test_cuda_without_a_gpu_is_one_line_and_auto_is_the_cpu(monkeypatch):
    machine(monkeypatch, 1, usable=0)
    with pytest.raises(JobError, match="this machine has 0 CUDA devices"):
        choose_rendering("cuda", 2, renders=True)
    assert choose_rendering("auto", 2, renders=True) == Rendering()


def test_no_gpus_are_looked_for_where_another_machine_renders(monkeypatch):
    monkeypatch.setattr(gpu, "glob", lambda pattern: pytest.fail("looks for GPUs on a submitter"))
    choice = choose_runner(["--runner=FlinkRunner", "--flink_master=host:8081"], None, "auto")
    assert choice.rendering == Rendering()
