"""One writer per output or index. On a disk a kernel lock, which dies with its process; in an object store a
lease.

A lease is an object that its holder rewrites every few seconds. It never depends on the clocks of two
machines: a writer that finds a silent lease watches it for its whole length by its own clock, and takes it
over only if it has not changed once. Of two that take it over together one succeeds, because the store
compares versions (`conditional`).
"""

from __future__ import annotations

import json
import logging
import os
import socket
import threading
import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from schemas.errors import ConfigError
from schemas.json_text import read_json
from storage.conditional import (
    create_exclusively,
    is_atomic,
    read_version,
    remove_version,
    replace_version,
)
from storage.uris import local_path

BEAT_SECONDS = 20.0
LEASE_SECONDS = 120.0  # six beats without a sign of life: the holder is dead
SETTLE_SECONDS = 2.0  # between writing and reading back, in stores that cannot compare versions

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Holder:
    """Who holds a lock, for the message to the one who may not have it."""

    process: str
    host: str
    lease: float | None  # seconds after which a dead holder's lease can be taken; None for a kernel lock

    def __str__(self) -> str:
        return f"process {self.process} on {self.host}"


class Lock:
    """Held while a block writes to a place. Entering raises ConfigError, with the text of `refusal`, if it is
    held.

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
            self._lock: _KernelLock | _Lease = _Lease(path, beat, lease, settle)
        else:
            self._lock = _KernelLock(here)
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
        """May another writer have taken the place over? Only for a lease, after a long silence of this
        process.
        """
        return self._lock.lost


class _KernelLock:
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
            descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                content = _parse(os.pread(descriptor, 4096, 0))
                os.close(descriptor)
                return _holder(content, None)
            if self._is_current(descriptor):
                break
            os.close(descriptor)  # its holder removed the file between our open and our lock
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, json.dumps(_me()).encode(), 0)
        self._descriptor = descriptor
        return None

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


class _Lease:
    """An object that its holder rewrites every `beat` seconds."""

    def __init__(self, path: str, beat: float, lease: float, settle: float) -> None:
        self._path = path
        self._beat, self._length, self._settle = beat, lease, settle
        self._token = uuid.uuid4().hex
        self._beats = 0
        self._version: str | None = None
        self._last_beat = 0.0
        self._taken_over = False
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._keep, name="lease", daemon=True)

    @property
    def lost(self) -> bool:
        """Taken over, or silent for so long that it can have been."""
        return self._taken_over or _elapsed() - self._last_beat > self._length

    def take(self) -> Holder | None:
        """None if the lease is ours now, else its holder."""
        watch = _Watch(self._length)
        while self._version is None:
            content = self._content()
            if create_exclusively(self._path, content):
                self._confirm(content)
                continue
            found = read_version(self._path)
            if found is None:
                continue  # released in between
            holder = _parse(found[0])
            if _looks_alive(holder, self._beat) or watch.has_changed(found[1]):
                return _holder(holder, self._length)
            if watch.is_over() or _is_dead_here(holder):
                content = self._content()
                if replace_version(self._path, content, found[1]) is None:
                    watch = _Watch(self._length)  # somebody was faster
                else:
                    self._confirm(content)
                continue
            watch.announce(f"{self._path}: {_holder(holder, None)} was writing here; is it alive?")
            time.sleep(min(self._beat, self._length) / 4)
        self._last_beat = _elapsed()
        self._thread.start()
        return None

    def release(self) -> None:
        """Stop beating, and remove the object if it is still ours. If that fails, it is found silent."""
        self._stop.set()
        if self._thread.is_alive():
            self._thread.join()
        if self._version is not None and not self._taken_over:
            try:
                remove_version(self._path, self._version)
            except OSError as error:
                log.debug("the lease %s could not be removed: %s", self._path, error)
            self._version = None

    def _confirm(self, content: bytes) -> None:
        """Keep the version of what we wrote.

        Where the store cannot compare, the last of two writers has the lease.
        """
        if not is_atomic(self._path):
            time.sleep(self._settle)
        found = read_version(self._path)
        if found is not None and found[0] == content:
            self._version = found[1]

    def _keep(self) -> None:
        while not self._stop.wait(self._beat):
            try:
                self._version = self._renewed()
            except OSError:
                continue  # the store cannot be reached for a moment; the lease lasts for several beats
            if self._version is None:
                self._taken_over = True
                return
            self._last_beat = _elapsed()

    def _renewed(self) -> str | None:
        """The new version; None if the lease is another's.

        A beat whose answer was lost is found by its token.
        """
        version = replace_version(self._path, self._content(), self._version or "")
        if version is not None:
            return version
        found = read_version(self._path)
        if found is None or _parse(found[0]).get("token") != self._token:
            return None
        return replace_version(self._path, self._content(), found[1])

    def _content(self) -> bytes:
        """Different for every write, so that versions differ too.

        The time is a hint for people, and never trusted.
        """
        self._beats += 1
        return json.dumps({**_me(), "token": self._token, "beat": self._beats, "time": time.time()}).encode()


class _Watch:
    """Looks at a lease for its whole length, by this machine's clock alone."""

    def __init__(self, length: float) -> None:
        self._end = 0.0
        self._length = length
        self._first: str | None = None
        self._announced = False

    def has_changed(self, version: str) -> bool:
        """Has the lease changed since the first look?"""
        if self._first is None:
            self._first, self._end = version, time.monotonic() + self._length
        return version != self._first

    def is_over(self) -> bool:
        """Has the whole length passed since the first look?"""
        return self._first is not None and time.monotonic() >= self._end

    def announce(self, text: str) -> None:
        """Say once that this takes a while."""
        if not self._announced:
            self._announced = True
            log.warning("%s Watching for %.0f s.", text, self._length)


def _looks_alive(holder: dict[str, Any], beat: float) -> bool:
    """Was it written just now by this machine's clock? A wrong clock only refuses, and only for two beats."""
    written = holder.get("time")
    return (
        isinstance(written, int | float)
        and abs(time.time() - written) < 2 * beat
        and not _is_dead_here(holder)
    )


def _is_dead_here(holder: dict[str, Any]) -> bool:
    """Did it run on this very system, and its process has ended?"""
    pid = holder.get("pid")
    return isinstance(pid, int) and pid > 0 and holder.get("system") == _system() and not _is_alive(pid)


def _is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def _holder(content: dict[str, Any], lease: float | None) -> Holder:
    return Holder(str(content.get("pid", "?")), str(content.get("host", "?")), lease)


def _me() -> dict[str, Any]:
    return {"host": socket.gethostname(), "pid": os.getpid(), "system": _system()}


@cache
def _system() -> str:
    """This boot of this machine, and its process namespace: where a process number means the same process."""
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
        return f"{boot}/{os.readlink('/proc/self/ns/pid')}"
    except OSError:
        return socket.gethostname()


def _elapsed() -> float:
    """Seconds on a clock that runs on while the machine is suspended, where the system has one."""
    clock = getattr(time, "CLOCK_BOOTTIME", None)
    if clock is None:
        return time.monotonic()
    return time.clock_gettime(clock)


def _parse(data: bytes) -> dict[str, Any]:
    try:
        value = read_json(data)
    except ValueError:
        return {}  # cut off while it was written
    if isinstance(value, dict):
        return value
    return {}
