"""Check the recipe of the worker images: what Beam's boot program needs, and what each image holds."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path

ROOT = Path(__file__).parents[2]
HADOLINT = ROOT / ".cache" / "engines" / "hadolint" / "bin" / "hadolint"
INSTRUCTIONS = {"FROM", "SHELL", "ENV", "ARG", "RUN", "COPY", "ENTRYPOINT"}
BASE = "python:3.11-slim"  # the default environment of the image: boot runs the first `python` on the PATH
# Boot starts workers in the image's default environment, not in a new virtual environment that sees none of
# it.
SETTINGS = {"RUN_PYTHON_SDK_IN_DEFAULT_ENVIRONMENT": "1", "ZOETROPE_IMAGE": "${IMAGE}"}
LAUNCHER = "FLEX_TEMPLATE_PYTHON_PY_FILE"
ENTRYPOINT = 'ENTRYPOINT ["/opt/apache/beam/boot"]'
HEAVY = re.compile(r"^(torch|torchvision|triton|kornia|nvidia-.*|cuda-.*)$")  # what a CPU image leaves out


def check_image(scratch: Path) -> Iterator[str]:
    """Yield a line per fault of `docker/` and of the lock files."""
    text = (ROOT / "docker" / "Dockerfile").read_text()
    yield from dockerfile_faults(text)
    yield from lock_faults(
        text, read_lock(ROOT / "requirements.lock"), read_lock(ROOT / "docker" / "cpu.lock")
    )
    if HADOLINT.exists():
        command = [str(HADOLINT), str(ROOT / "docker" / "Dockerfile")]
        done = subprocess.run(command, capture_output=True, text=True)  # noqa: S603 - our own command
        yield from done.stdout.splitlines()


def dockerfile_faults(text: str, root: Path = ROOT) -> Iterator[str]:
    """Yield a line per instruction with which boot would not start a worker, or the launcher a job."""
    lines = _instructions(text)
    for line in lines:
        yield from _line_faults(line, root)
    base = [line for line in lines if line.startswith("FROM")][-1:]
    if not base or not base[0].split()[1].startswith(BASE):
        yield f"{''.join(base)}: the last stage must start from {BASE}"
    if any(line.startswith("USER") for line in lines):
        yield "USER: boot writes below /opt and into folders that belong to root; leave the user as it is"
    if any("-m venv" in line for line in lines):
        yield "-m venv: boot runs the image's default python, which does not see a virtual environment"
    if lines[-1:] != [ENTRYPOINT]:
        yield f"the last line must be {ENTRYPOINT}"
    yield from _setting_faults(lines, root)


def read_settings(text: str) -> dict[str, str]:
    """Read the environment variables that a Dockerfile sets."""
    return _settings(_instructions(text))


def _instructions(text: str) -> list[str]:
    lines = [line.strip() for line in text.replace("\\\n", " ").splitlines()]
    return [line for line in lines if line and not line.startswith("#")]


def _settings(lines: list[str]) -> dict[str, str]:
    pairs = (pair for line in lines if line.startswith("ENV ") for pair in line.split()[1:])
    return {name: value for name, _, value in (pair.partition("=") for pair in pairs)}


def _line_faults(line: str, root: Path) -> Iterator[str]:
    word, *rest = line.split()
    if word not in INSTRUCTIONS and word != "USER":
        yield f"{word}: not an instruction that is used here"
    if word == "FROM" and ":" not in rest[0]:
        yield f"{line}: no tag"
    if word == "COPY" and not rest[0].startswith(("--from", "$")) and not (root / rest[0]).exists():
        yield f"{line}: no such file"


def _setting_faults(lines: list[str], root: Path) -> Iterator[str]:
    found = _settings(lines)
    for name, value in SETTINGS.items():
        if found.get(name) != value:
            yield f"ENV {name} must be {value}, not {found.get(name)}"
    copied = [line.split()[1:] for line in lines if line.startswith("COPY") and "--from" not in line]
    sources = [source for source, target in copied if target == found.get(LAUNCHER)]
    if not sources or not (root / sources[0]).exists():
        yield f"ENV {LAUNCHER}: {found.get(LAUNCHER)} is not copied into the image"


def lock_faults(text: str, gpu: Mapping[str, str], cpu: Mapping[str, str]) -> Iterator[str]:
    """Yield a line per version that differs between lock files and boot, or is too heavy for a CPU image."""
    for name, lock in (("requirements.lock", gpu), ("docker/cpu.lock", cpu)):
        version = lock.get("apache-beam")
        if f"_sdk:{version} " not in text:
            yield f"{name}: Beam {version} is not of the version of the boot program in docker/Dockerfile"
    if differing := sorted(name for name in cpu if cpu[name] != gpu.get(name)):
        yield f"docker/cpu.lock: {', '.join(differing)} differ from requirements.lock; run `make lock`"
    if heavy := sorted(name for name in cpu if HEAVY.match(name)):
        yield f"docker/cpu.lock: {', '.join(heavy)} do not belong into the CPU image"


def read_lock(path: Path) -> dict[str, str]:
    """Read a lock file as package -> version."""
    lines = re.findall(r"^([a-z0-9][a-z0-9._-]*)(?:\[[^]]*\])?==([^\s;]+)", path.read_text(), re.MULTILINE)
    return dict(lines)
