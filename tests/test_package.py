"""The wheel: everything that the commands need is in it, and the commands start from it alone."""

from __future__ import annotations

import re
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from clusters.dataflow.image import HADOLINT, read_lock
from clusters.dataflow.wheel import build_wheel

ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory) -> Path:
    found, fault = build_wheel(tmp_path_factory.mktemp("wheel"))
    assert found is not None, fault
    return found


def packaged(*names: str) -> set[str]:
    return {str(path.relative_to(ROOT)) for name in names for path in ROOT.glob(name)}


def test_it_holds_every_module_page_and_config(wheel):
    names = set(zipfile.ZipFile(wheel).namelist())
    packages = ("zoetrope", "schemas", "storage", "transforms", "pipelines", "trainer", "preview")
    modules = packaged(*(f"{package}/**/*.py" for package in packages))
    data = packaged("preview/assets/**/*.*", "configs/*/*.yaml") | {
        f"{package}/py.typed" for package in packages
    }
    assert modules | data <= names
    assert "configs/animate/coco.yaml" in data
    assert not [name for name in names if name.startswith(("tests/", "benchmarks/", "clusters/", "docs/"))]


def test_it_states_its_licence_and_its_command(wheel):
    with zipfile.ZipFile(wheel) as archive:
        read = {name.rpartition("/")[2]: name for name in archive.namelist() if ".dist-info/" in name}
        about = archive.read(read["METADATA"]).decode()
        assert archive.read(read["LICENSE"]) == (ROOT / "LICENSE").read_bytes()
        assert "zoetrope = zoetrope.__main__:main" in archive.read(read["entry_points.txt"]).decode()
    assert "Apache-2.0" in about
    assert "the Zoetrope authors" in about


def test_a_command_starts_from_it_alone_and_finds_the_shipped_config(wheel, tmp_path):
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(tmp_path / "installed")
    code = (
        f"import sys; sys.path.insert(0, {str(tmp_path / 'installed')!r})\n"
        "import zoetrope; assert zoetrope.__file__.startswith(sys.path[0]), zoetrope.__file__\n"
        "from zoetrope.__main__ import main\n"
        "sys.argv = ['zoetrope', 'train', '--config', 'debug', 'data.shards=x', 'sede=1']\n"
        "sys.exit(main())"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 2
    assert done.stderr == "zoetrope train: unknown field sede; the nearest known field is seed\n"


def test_the_image_for_one_machine_holds_neither_torch_nor_googles_clients():
    local, whole = (read_lock(ROOT / name) for name in ("docker/local.lock", "requirements.lock"))
    assert {"apache-beam", "opencv-python-headless", "pyarrow", "webdataset", "aiohttp"} <= local.keys()
    assert local.items() <= whole.items()
    assert not [name for name in local if name.startswith(("torch", "nvidia", "kornia", "google", "gcsfs"))]


@pytest.mark.parametrize("recipe", ["Dockerfile", "Dockerfile.local"])
def test_images_hold_every_package(recipe):
    kept = (ROOT / "docker" / f"{recipe}.dockerignore").read_text().splitlines()
    packages = re.search(r"^PACKAGES = \[(.*)\]$", (ROOT / "setup.py").read_text(), re.MULTILINE)[1]
    for name in ["configs", *re.findall(r'"(\w+)"', packages)]:
        assert f"!{name}" in kept, name


def test_the_recipe_for_one_machine_copies_what_is_there():
    text = (ROOT / "docker" / "Dockerfile.local").read_text()
    kept = (ROOT / "docker" / "Dockerfile.local.dockerignore").read_text()
    lock = re.search(r"ARG LOCK=(\S+)", text)[1]
    assert (ROOT / lock).is_file()
    assert f"!{lock}\n" in kept
    for name in re.findall(r"^!(\S+)$", kept, re.MULTILINE):
        assert (ROOT / name).exists(), name
    assert "STOPSIGNAL SIGINT" in text
    assert text.rstrip().endswith('ENTRYPOINT ["zoetrope"]')
    if HADOLINT.exists():
        done = subprocess.run(
            [HADOLINT, ROOT / "docker" / "Dockerfile.local"], capture_output=True, text=True
        )
        assert done.stdout == ""
