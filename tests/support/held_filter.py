"""A filter for jobs that a test interrupts: it keeps every sample, and holds the job while a file exists."""

from __future__ import annotations

import os
import time
from typing import Any

HOLD = "ZOETROPE_TESTS_HOLD"  # the environment variable that names the file


def held(reference: Any) -> None:
    """Wait until the file is gone."""
    while os.path.exists(os.environ[HOLD]):
        time.sleep(0.05)
