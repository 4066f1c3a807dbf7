"""A lock on a disk of this machine. The kernel releases it when its process ends."""

from __future__ import annotations

import errno
import json
import os
import stat
from pathlib import Path

from storage.locks.holder import Holder, holder_of, parsed, this_process


class KernelLock:
    """flock on a file. The file goes with the lock, so that a finished output holds no trace of it."""

    lost = False

    def __init__(self, path: str) -> None:
        self._path = path
        self._descriptor = -1

    def take(self) -> Holder | None:
        """None if the lock is ours now, else its holder."""
        import fcntl

        os.makedirs(os.path.dirname(self._path), exist_ok=True)
        while True:
            descriptor = self._open()
            try:
                # Not lockf: a POSIX lock ends as soon as this process closes any descriptor of the file.
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                content = parsed(os.pread(descriptor, 4096, 0))
                os.close(descriptor)
                return holder_of(content, None)
            if self._is_current(descriptor):
                break
            os.close(descriptor)  # its holder removed the file between our open and our lock
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, json.dumps(this_process()).encode(), 0)
        self._descriptor = descriptor
        return None

    def _open(self) -> int:
        """Open the file, or create it. Raises OSError for a link, whose target would be overwritten."""
        flags = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW
        try:
            descriptor = os.open(self._path, flags, 0o644)
        except OSError as error:
            if error.errno != errno.ELOOP:
                raise
            raise OSError(errno.ELOOP, "a link in place of a lock; remove it", self._path) from None
        about = os.fstat(descriptor)
        if not stat.S_ISREG(about.st_mode) or about.st_nlink > 1:
            os.close(descriptor)
            raise OSError(errno.EEXIST, "no lock, but another file or a link to one; remove it", self._path)
        return descriptor

    def release(self) -> None:
        """Remove the file while the lock is held, then let go."""
        if self._descriptor >= 0:
            Path(self._path).unlink(missing_ok=True)
            os.close(self._descriptor)
            self._descriptor = -1

    def _is_current(self, descriptor: int) -> bool:
        try:
            return os.path.samestat(os.fstat(descriptor), os.stat(self._path))
        except FileNotFoundError:
            return False
