"""One version, known without being installed."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import zoetrope
from schemas.version import VERSION

ROOT = Path(__file__).parents[2]


def test_setup_and_the_public_face_have_the_same() -> None:
    said = subprocess.run(
        [sys.executable, "setup.py", "--version"], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert said.stdout.split()[-1] == zoetrope.__version__ == VERSION
