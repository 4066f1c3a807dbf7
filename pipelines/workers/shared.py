"""Pools that everything in a process shares, and the number of cores."""

from __future__ import annotations

import os
import pickle
import threading
from collections.abc import Sequence
from dataclasses import dataclass

from pipelines.workers.config import SampleLimits
from pipelines.workers.nursery import Nursery
from pipelines.workers.pool import WorkerPool
from pipelines.workers.worker import Target


@dataclass
class _Shared:
    pool: WorkerPool
    users: int = 0


# A Beam worker process makes several instances of a DoFn, each with a maker, for the same cores.
_shared: dict[bytes, _Shared] = {}
_shared_lock = threading.Lock()


def share_pool(
    target: Target, limits: SampleLimits, *, workers: int, modules: Sequence[str] = ()
) -> WorkerPool:
    """This process's pool for an equal target and equal limits, started if there is none.

    Release it after use.
    """
    name = pickle.dumps((target, limits, workers))
    with _shared_lock:
        shared = _shared.get(name)
        if shared is None:
            shared = _shared[name] = _Shared(WorkerPool(target, limits, workers=workers, modules=modules))
        shared.users += 1
        return shared.pool


def release_pool(pool: WorkerPool) -> None:
    """Give a shared pool back; its processes end with its last user."""
    with _shared_lock:
        name = next(name for name, shared in _shared.items() if shared.pool is pool)
        shared = _shared[name]
        shared.users -= 1
        if shared.users:
            return
        del _shared[name]
    pool.close()


def living_nursery() -> Nursery | None:
    """The nursery of a pool of this process, to fork other processes from; None without a pool."""
    with _shared_lock:
        for shared in _shared.values():
            return shared.pool.nursery
    return None


def available_cores() -> int:
    """Cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
