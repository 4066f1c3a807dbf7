"""Waiting for what another thread or process does: as long as a busy machine needs, and no longer."""

import time
from collections.abc import Callable


def wait_until(what: Callable[[], object], seconds: float = 30.0) -> None:
    """Return once `what()` is true. Raises AssertionError if it is not within `seconds`."""
    end = time.monotonic() + seconds
    while not what():
        assert time.monotonic() < end, f"not within {seconds} seconds"
        time.sleep(0.01)
