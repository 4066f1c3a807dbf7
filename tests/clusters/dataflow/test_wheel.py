"""What workers import: from the wheel, and without what the CPU image leaves out."""

from __future__ import annotations

import os

import pytest

from clusters.dataflow.wheel import ROOT, check_wheel, import_alone, module_names

ABSENT = ("torch", "torchvision", "kornia", "open_clip", "tensorboard")
GPU_RENDERERS = {f"transforms.rendering.{name}" for name in ("kornia", "fused", "on_gpu")}  # they need torch


@pytest.mark.skipif(
    not os.access(ROOT, os.W_OK), reason="setuptools writes to the folder build of the checkout"
)
def test_every_module_of_the_workers_is_in_the_wheel(tmp_path):
    assert list(check_wheel(tmp_path)) == []


def test_a_cpu_image_needs_no_torch():
    names = [name for name in module_names(ROOT) if name not in GPU_RENDERERS]
    assert import_alone(ROOT, names, ABSENT) == ""


def test_a_module_that_cannot_be_imported_is_named(tmp_path):
    (tmp_path / "schemas").mkdir()
    (tmp_path / "schemas" / "__init__.py").write_text("import nowhere_to_be_found")
    assert "nowhere_to_be_found" in import_alone(tmp_path, module_names(tmp_path))
