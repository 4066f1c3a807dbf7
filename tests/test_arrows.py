"""The arrows between the packages, held in fresh interpreters.

An interpreter costs seconds where it loads torch or Beam, so it imports the modules of a test one after another:
a package that is not loaded by then is loaded by none of them.
"""

import subprocess
import sys

import pytest

PROBE = """
import importlib, sys
modules, banned = (argument.split() for argument in sys.argv[1:])
for module in modules:
    importlib.import_module(module)
    for name in sorted(set(banned) & set(sys.modules)):
        banned.remove(name)
        print(module, "loads", name)
"""
TRAINER = [
    "trainer.fit.train",
    "trainer.retrieval.evaluate",
    "trainer.index.build",
    "trainer.index.search",
    "trainer.model.weights.convert",
    "trainer.export.export",
]
PREVIEW = ["preview.show.preview", "preview.report.report", "preview.studio.studio"]
GRAPH = [
    "pipelines.output.validate",
    "pipelines.running.graph",
    "pipelines.animate",
    "pipelines.retry",
    "pipelines.videos",
]
TRANSFORMS = [
    "transforms.motions",
    "transforms.motions.mix",
    "transforms.rendering.render",
    "transforms.clip",
    "transforms.settings",
]


def loaded(modules: list[str], *banned: str) -> str:
    """Import the modules in a fresh interpreter. Returns a line for each banned package that one of them loads."""
    command = [sys.executable, "-c", PROBE, " ".join(modules), " ".join(banned)]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()


@pytest.mark.parametrize(
    "module", ["zoetrope", "zoetrope.cli", "schemas.config", "storage.shards", "schemas.clip", "trainer"]
)
def test_light_imports_load_no_engine(module):
    assert loaded([module], "torch", "apache_beam", "kornia", "gradio", "cv2", "av") == ""


def test_the_trainer_never_loads_beam_or_pipelines():
    assert loaded(TRAINER, "apache_beam", "pipelines") == ""


def test_the_preview_loads_neither_beam_nor_torch():
    assert loaded(PREVIEW, "apache_beam", "pipelines", "torch") == ""


def test_building_the_graph_needs_no_torch():
    assert loaded(GRAPH, "torch", "kornia") == ""


def test_transforms_load_neither_beam_nor_torch_until_used():
    assert loaded(TRANSFORMS, "apache_beam", "pipelines", "torch") == ""


def test_the_check_itself_names_the_module_and_the_package():
    assert loaded(["schemas.config", "transforms.clip"], "cv2", "torch") == "transforms.clip loads cv2"
