"""A lock in an object store: an object that its holder rewrites every few seconds.

It never depends on the clocks of two machines. A writer that finds a silent lease watches it for its whole
length by its own clock. It takes the lease over only if it has not changed once. Of two that take it over
together one succeeds, because the store compares versions (`storage.remote.conditional`).
"""

from __future__ import annotations

import json
import logging
import threading
import time
import uuid

from storage.locks.holder import Holder, holder_of, is_dead_here, looks_alive, parsed, this_process
from storage.remote.conditional import (
    create_exclusively,
    is_atomic,
    read_version,
    remove_version,
    replace_version,
)

log = logging.getLogger(__name__)


class Lease:
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
            holder = parsed(found[0])
            if looks_alive(holder, self._beat) or watch.has_changed(found[1]):
                return holder_of(holder, self._length)
            if watch.is_over() or is_dead_here(holder):
                content = self._content()
                if replace_version(self._path, content, found[1]) is None:
                    watch = _Watch(self._length)  # somebody was faster
                else:
                    self._confirm(content)
                continue
            watch.announce(f"{self._path}: {holder_of(holder, None)} was writing here; is it alive?")
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
                # Only this version: a writer that took the lease over meanwhile keeps it.
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
        if found is None or parsed(found[0]).get("token") != self._token:
            return None
        return replace_version(self._path, self._content(), found[1])

    def _content(self) -> bytes:
        """Different for every write, so that versions differ too.

        The time is a hint for people, and never trusted.
        """
        self._beats += 1
        return json.dumps(
            {**this_process(), "token": self._token, "beat": self._beats, "time": time.time()}
        ).encode()


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


def _elapsed() -> float:
    """Seconds on a clock that runs on while the machine is suspended, where the system has one."""
    clock = getattr(time, "CLOCK_BOOTTIME", None)
    if clock is None:
        return time.monotonic()
    return time.clock_gettime(clock)
