"""One writer per output or index: a kernel lock on a disk, a lease in an object store."""

from __future__ import annotations

from collections.abc import Callable
from types import TracebackType
from typing import Self

from schemas.errors import ConfigError
from storage.locks.holder import Holder
from storage.locks.kernel import KernelLock
from storage.locks.lease import Lease
from storage.uris import local_path

BEAT_SECONDS = 20.0
LEASE_SECONDS = 120.0  # six beats without a sign of life: the holder is dead
SETTLE_SECONDS = 2.0  # between writing and reading back, in stores that cannot compare versions


class Lock:
    """Held while a block writes to a place. If it is held, entering raises ConfigError with `refusal`.

    `path` is the lock file. Entering takes up to the length of a lease if a dead holder has left one. Raises
    OSError if the place cannot be written.
    """

    def __init__(
        self,
        path: str,
        refusal: Callable[[Holder], str],
        *,
        beat: float = BEAT_SECONDS,
        lease: float = LEASE_SECONDS,
        settle: float = SETTLE_SECONDS,
    ) -> None:
        here = local_path(path)
        if here is None:
            self._lock: KernelLock | Lease = Lease(path, beat, lease, settle)
        else:
            self._lock = KernelLock(here)
        self._refusal = refusal

    def __enter__(self) -> Self:
        holder = self._lock.take()
        if holder is not None:
            raise ConfigError(self._refusal(holder))
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._lock.release()

    @property
    def lost(self) -> bool:
        """May another writer have taken the place? Only for a lease, after a long silence of this process."""
        return self._lock.lost
