"""One `zoetrope index` per index: the lock of `storage.locks.lock`, with the words of the index command."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from schemas.errors import ConfigError
from storage.locks.holder import Holder
from storage.locks.lock import BEAT_SECONDS, LEASE_SECONDS, SETTLE_SECONDS, Lock
from storage.uris import is_remote, join

LOCK_FILE = ".lock"


class IndexLock:
    """A lock that is held."""

    def __init__(self, index: str, lock: Lock, lease: float) -> None:
        self._index, self._lock, self._lease = index, lock, lease

    def check(self) -> None:
        """Raise ConfigError if another process may have taken the index over."""
        if self._lock.lost:
            raise ConfigError(
                f"output={self._index}: another `zoetrope index` has taken over, because this one was "
                "silent for "
                f"{self._lease:.0f} s; when it has ended, run the same command again to add what is missing"
            )


@contextmanager
def writing(
    index: str, *, beat: float = BEAT_SECONDS, lease: float = LEASE_SECONDS, settle: float = SETTLE_SECONDS
) -> Iterator[IndexLock]:
    """Hold the index's lock; a local folder is made.

    Raises ConfigError if another process writes there, OSError.
    """
    path = join(index, LOCK_FILE)

    def refusal(holder: Holder) -> str:
        text = f"output={index}: another `zoetrope index` is writing there ({holder}); wait for it to end"
        if holder.lease is None:
            return text
        seconds = f"{holder.lease:.0f} s"
        return f"{text}. If it was killed, its lock {path} is free {seconds} after it was last written"

    lock = Lock(path, refusal, beat=beat, lease=lease, settle=settle)
    try:
        lock.__enter__()
    except OSError as error:
        if is_remote(index):
            raise
        raise ConfigError(f"output={index} cannot be written: {error}") from None
    try:
        yield IndexLock(index, lock, lease)
    finally:
        lock.__exit__(None, None, None)
