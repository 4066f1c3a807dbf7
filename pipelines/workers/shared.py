"""Pools that everything in a process shares, and the number of cores."""

from __future__ import annotations

import os
import threading
from collections.abc import Sequence
from dataclasses import dataclass

from pipelines.workers.config import SampleLimits
from pipelines.workers.nursery import Nursery
from pipelines.workers.pool import WorkerPool
from pipelines.workers.worker import Target


@dataclass
class _Shared:
    of: tuple[Target, SampleLimits, int]  # compared by value: equal objects may have different pickles
    pool: WorkerPool
    users: int = 0


# A Beam worker process makes several instances of a DoFn, each with a maker, for the same cores.
_shared: list[_Shared] = []
_shared_lock = threading.Lock()


def share_pool(
    target: Target, limits: SampleLimits, *, workers: int, modules: Sequence[str] = ()
) -> WorkerPool:
    """This process's pool for an equal target and equal limits, started if there is none.

    Release it after use.
    """
    wanted = (target, limits, workers)
    with _shared_lock:
        shared = next((shared for shared in _shared if shared.of == wanted), None)
        if shared is None:
            shared = _Shared(wanted, WorkerPool(target, limits, workers=workers, modules=modules))
            _shared.append(shared)
        shared.users += 1
        return shared.pool


def release_pool(pool: WorkerPool) -> None:
    """Give a shared pool back; its processes end with its last user."""
    with _shared_lock:
        shared = next(shared for shared in _shared if shared.pool is pool)
        shared.users -= 1
        if shared.users:
            return
        _shared.remove(shared)
    pool.close()


def living_nursery() -> Nursery | None:
    """The nursery of a pool of this process, to fork other processes from; None without a pool."""
    with _shared_lock:
        if not _shared:
            return None
        return _shared[0].pool.nursery


def available_cores() -> int:
    """Cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
