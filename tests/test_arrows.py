"""The arrows between the packages, held in fresh interpreters."""

import subprocess
import sys

import pytest

PROBE = "import sys, {module}; print(*sorted(m for m in {banned!r} if m in sys.modules))"


def loaded(module: str, *banned: str) -> str:
    code = PROBE.format(module=module, banned=list(banned))
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return done.stdout.strip()


@pytest.mark.parametrize(
    "module", ["zoetrope", "zoetrope.cli", "schemas.config", "storage.shards", "schemas.clip", "trainer"]
)
def test_light_imports_load_no_engine(module):
    assert loaded(module, "torch", "apache_beam", "kornia", "gradio", "cv2", "av") == ""


@pytest.mark.parametrize(
    "module",
    [
        "trainer.fit.train",
        "trainer.retrieval.evaluate",
        "trainer.index.build",
        "trainer.index.search",
        "trainer.model.convert",
        "trainer.export.export",
    ],
)
def test_the_trainer_never_loads_beam_or_pipelines(module):
    assert loaded(module, "apache_beam", "pipelines") == ""


@pytest.mark.parametrize("module", ["preview.show.preview", "preview.report.report", "preview.studio.studio"])
def test_the_preview_loads_neither_beam_nor_torch(module):
    assert loaded(module, "apache_beam", "pipelines", "torch") == ""


@pytest.mark.parametrize(
    "module",
    [
        "pipelines.running.graph",
        "pipelines.animate",
        "pipelines.retry",
        "pipelines.output.validate",
        "pipelines.videos",
    ],
)
def test_building_the_graph_needs_no_torch(module):
    assert loaded(module, "torch", "kornia") == ""


@pytest.mark.parametrize(
    "module",
    ["transforms.motions", "transforms.motions.mix", "transforms.clip", "transforms.rendering.render"],
)
def test_transforms_load_neither_beam_nor_torch_until_used(module):
    assert loaded(module, "apache_beam", "pipelines", "torch") == ""
