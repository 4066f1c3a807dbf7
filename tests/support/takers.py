"""Many threads that ask for one lock at the same moment."""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any

from schemas.errors import ConfigError

TAKERS = 8
ONE_HAS_IT = ["held"] + (TAKERS - 1) * ["refused"]


def take_at_once(take: Callable[[], AbstractContextManager[Any]]) -> list[str]:
    """Have each thread take the lock and hold it until all have tried. Returns what they saw, sorted."""
    begin, end = threading.Barrier(TAKERS), threading.Barrier(TAKERS)
    seen: list[str] = []

    def run() -> None:
        begin.wait()
        try:
            with take():
                seen.append("held")
                end.wait(30)
        except ConfigError:
            seen.append("refused")
            end.wait(30)

    threads = [threading.Thread(target=run) for _ in range(TAKERS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return sorted(seen)
