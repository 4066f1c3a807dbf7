"""Where results come from: the version, the commit and the machine."""

from __future__ import annotations

import os
import platform
import shutil
import subprocess
from pathlib import Path
from typing import Any

from schemas.version import VERSION

ROOT = Path(__file__).parents[1]


def origin() -> dict[str, Any]:
    """Return the version, the commit with whether files differ from it, and the machine.

    The commit is None outside a git checkout, as in an installed package.
    """
    commit = changes = None
    if (ROOT / ".git").exists() and shutil.which("git") is not None:
        commit = _git("rev-parse", "HEAD")
        changes = bool(_git("status", "--porcelain", "--untracked-files=no"))
    return {
        "version": VERSION,
        "commit": commit,
        "uncommitted_changes": changes,
        "cpu": _cpu(),
        "cores": os.cpu_count(),
        "machine": platform.machine(),
        "system": platform.platform(),
        "python": platform.python_version(),
    }


def _git(*arguments: str) -> str:
    command = ["git", "-C", str(ROOT), *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False).stdout.strip()  # noqa: S603


def _cpu() -> str:
    """Return the processor's name, where Linux says it."""
    file = Path("/proc/cpuinfo")
    lines: list[str] = []
    if file.exists():
        lines = file.read_text().splitlines()
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    if names:
        return names[0]
    return platform.processor()
