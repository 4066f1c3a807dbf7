"""What runs without the large packages, and what is said where one is missing."""

from __future__ import annotations

import runpy
import subprocess
import sys

import pytest
import setuptools
from skimage import data

from zoetrope import cli
from zoetrope.packages import EXTRA_OF, LEFT_OUT, how_to_install

WITHOUT = """
import sys
MISSING = ("torch", "kornia", "torchvision", "open_clip", "safetensors", "tensorboard", "pandas", "gcsfs",
           "s3fs", "google.cloud", "google.auth", "google.api_core", "apitools", "mlcroissant")
class Missing:
    def find_spec(self, name, path=None, target=None):
        if any(name == m or name.startswith(m + ".") for m in MISSING):
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)
sys.meta_path.insert(0, Missing())
from zoetrope.cli import main
sys.exit(main(sys.argv[1:]))
"""


def run_without(*arguments: str) -> subprocess.CompletedProcess:
    command = [sys.executable, "-c", WITHOUT, *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=120)


def test_a_job_its_validation_and_a_preview_need_neither_torch_nor_google(tmp_path):
    import cv2

    (tmp_path / "pictures").mkdir()
    cv2.imwrite(str(tmp_path / "pictures" / "coffee.jpg"), data.coffee()[..., ::-1])
    (tmp_path / "pictures" / "coffee.txt").write_text("a cup of coffee")
    folder, clips = str(tmp_path / "pictures"), str(tmp_path / "clips")
    made = run_without(
        "animate", "source.kind=folder", f"source.uri={folder}", f"output={clips}", "workers=1"
    )
    assert made.returncode == 0, made.stderr
    assert "apitools" not in made.stderr  # Beam would warn of a package that is not used
    checked = run_without("validate", clips)
    assert checked.returncode == 0, checked.stderr
    shown = run_without(
        "preview", f"{folder}/coffee.jpg", "--motion", "zoom_in", "-o", str(tmp_path / "x.gif")
    )
    assert shown.returncode == 0, shown.stderr
    assert (tmp_path / "x.gif").read_bytes().startswith(b"GIF89a")


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (["convert", "clip", "x.pt", "-o", "y"], "needs torch, which is not installed: pip install torch"),
        (["validate", "gs://bucket/x"], "this needs gcsfs, which is not installed: pip install gcsfs"),
    ],
)
def test_a_command_that_needs_more_says_what_to_install(arguments, line):
    done = run_without(*arguments)
    assert done.returncode == 2
    assert len(done.stderr.splitlines()) == 1
    assert line in done.stderr


def test_the_trainers_packages_are_an_extra(capsys):
    def run() -> int:
        raise ModuleNotFoundError("No module named 'open_clip.model'", name="open_clip.model")

    assert cli.guarded("train", run) == 2
    assert capsys.readouterr().err == (
        "zoetrope train: this needs open_clip, which is not installed: pip install 'zoetrope[train]'\n"
    )


def test_an_import_that_is_a_bug_is_not_hidden():
    assert how_to_install(ModuleNotFoundError("x", name="trainer.nothing")) is None
    assert how_to_install(ModuleNotFoundError("x")) is None


def test_every_extra_exists(monkeypatch):
    seen = {}
    monkeypatch.setattr(setuptools, "setup", lambda **given: seen.update(given))
    runpy.run_path("setup.py")
    assert set(EXTRA_OF.values()) <= seen["extras_require"].keys()
    core = " ".join(seen["install_requires"])
    assert all(package in core for package in LEFT_OUT.values())
    users = (
        "apache-beam",
        "opencv-python",
        "webdataset",
        "torch",
        "kornia",
        "pyarrow",
        "google-cloud-storage",
    )
    assert all(package in core for package in users)
