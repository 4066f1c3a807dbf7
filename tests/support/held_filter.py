"""A filter for jobs that a test interrupts: it keeps every sample, and holds the job in its middle while a file exists.

A fast machine would else end the job before the test can interrupt it.
"""

from __future__ import annotations

import os
import time
from itertools import count
from typing import Any

HOLD = "ZOETROPE_TESTS_HOLD"  # the environment variable that names the file
FREE = 50  # samples that each process lets pass

_passed = count(1)


def held(reference: Any) -> None:
    """Wait until the file is gone, if this process has let its samples pass."""
    if next(_passed) > FREE:
        while os.path.exists(os.environ[HOLD]):
            time.sleep(0.05)
