"""Check the wheel: every module that a worker needs can be imported from it, away from the checkout."""

from __future__ import annotations

import fcntl
import subprocess
import sys
from collections.abc import Iterator, Sequence
from importlib.util import find_spec
from pathlib import Path

ROOT = Path(__file__).parents[2]
PACKAGES = ("schemas", "storage", "transforms", "pipelines")  # what workers import
NEEDS_TRITON = "transforms.rendering.fused"  # which torch's wheels for a CPU do not bring
IMPORT = """
import importlib, sys
place, names, absent = sys.argv[1], sys.argv[2].split(), sys.argv[3].split()
sys.path.insert(0, place)
for name in absent:
    sys.modules[name] = None
for name in names:
    module = importlib.import_module(name)
    assert module.__file__.startswith(place), f"{name} comes from {module.__file__}"
"""


def check_wheel(scratch: Path) -> Iterator[str]:
    """Build the wheel, unpack it into `scratch` and import the modules of the workers from there."""
    installed = scratch / "installed"
    wheel, fault = build_wheel(scratch)
    if wheel is None:
        yield f"the wheel cannot be built: {fault}"
        return
    if fault := run_quietly([*_pip(), "install", "--no-deps", "--no-index", "--target", installed, wheel]):
        yield f"the wheel cannot be installed: {fault}"
        return
    names = module_names(installed)
    if find_spec("triton") is None:
        names.remove(NEEDS_TRITON)
    if fault := import_alone(installed, names):
        yield f"a module of the wheel cannot be imported: {fault}"


def build_wheel(folder: Path) -> tuple[Path | None, str]:
    """Build the wheel into `folder`. Returns (wheel, "") or (None, reason).

    One build at a time: setuptools writes to the folder `build` of the checkout.
    """
    with (ROOT / "setup.py").open() as checkout:
        fcntl.flock(checkout, fcntl.LOCK_EX)
        command = [*_pip(), "wheel", "--no-deps", "--no-build-isolation", "--wheel-dir", folder, ROOT]
        fault = run_quietly(command)
    return next(folder.glob("zoetrope-*.whl"), None), fault


def module_names(installed: Path) -> list[str]:
    """List the modules of the worker packages in a folder of installed packages."""
    paths = [path for package in PACKAGES for path in sorted((installed / package).rglob("*.py"))]
    parts = [path.relative_to(installed).with_suffix("").parts for path in paths]
    return [".".join(names).removesuffix(".__init__") for names in parts]


def import_alone(place: Path, names: list[str], absent: tuple[str, ...] = ()) -> str:
    """Import modules from `place` in a new process, as if `absent` were not installed.

    Returns the last line of the error, or "".
    """
    command = [sys.executable, "-I", "-c", IMPORT, str(place), " ".join(names), " ".join(absent)]
    return run_quietly(command, cwd=place)


def run_quietly(command: Sequence[str | Path], cwd: Path | None = None) -> str:
    """Run a command. Returns "" or the last line that it wrote to stderr before it failed."""
    done = subprocess.run(command, capture_output=True, text=True, cwd=cwd)  # noqa: S603 - our own arguments
    if not done.returncode:
        return ""
    lines = done.stderr.strip().splitlines()
    if lines:
        return lines[-1]
    return f"exit {done.returncode}"


def _pip() -> list[str | Path]:
    return [sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check"]
