"""One `zoetrope index` an index. Locally a kernel lock, which dies with its process; in object stores a leased object."""

from __future__ import annotations

import fcntl
import json
import os
import socket
import threading
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Protocol

from schemas.errors import ConfigError
from storage.files import create_object, is_remote, join, open_uri, remove_object, write_bytes

LOCK_FILE = ".lock"
BEAT_SECONDS = 20.0
STALE_SECONDS = 120.0  # six missed beats: its process is dead
SETTLE_SECONDS = 2.0  # two that find a stale lease may both take it; the last one has it


class Lock(Protocol):
    """What `writing` gives."""

    def check(self) -> None:
        """Raises ConfigError if another process has taken the index over."""


@contextmanager
def writing(
    index: str, *, beat: float = BEAT_SECONDS, stale: float = STALE_SECONDS, settle: float = SETTLE_SECONDS
) -> Iterator[Lock]:
    """Hold the index's lock; locally the folder is made. Raises ConfigError if another process writes there, OSError."""
    if is_remote(index):
        lease = _Lease(index, beat, stale, settle)
        lease.take()
        try:
            yield lease
        finally:
            lease.release()
        return
    try:
        Path(index).mkdir(parents=True, exist_ok=True)
        lock = (Path(index) / LOCK_FILE).open("w")
    except OSError as error:
        raise ConfigError(f"output={index} cannot be written: {error}") from None
    with lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise ConfigError(
                f"output={index}: another `zoetrope index` is writing there; wait for it to end"
            ) from None
        yield _Kernel()


class _Kernel:
    def check(self) -> None:
        """Nobody takes this one over."""


class _Lease:
    """An object that its holder writes anew every `beat` seconds; once it is older than `stale` seconds, anyone may take it."""

    def __init__(self, index: str, beat: float, stale: float, settle: float) -> None:
        self._index, self._uri = index, join(index, LOCK_FILE)
        self._beat, self._stale, self._settle = beat, stale, settle
        self._me = {"host": socket.gethostname(), "pid": os.getpid(), "token": uuid.uuid4().hex}
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._keep, name="lease", daemon=True)
        self._lost = False

    def take(self) -> None:
        if not create_object(self._uri, self._content()):
            holder = self._read()
            if not self._is_mine(holder):  # it is where the answer was lost, and the client asked again
                self._take_over(holder)
        self._thread.start()

    def _take_over(self, holder: dict[str, Any] | None) -> None:
        if holder is not None:
            if not self._dead(holder):
                raise self._refusal(holder)
            remove_object(self._uri)
        create_object(self._uri, self._content())
        time.sleep(self._settle)
        holder = self._read()
        if not self._is_mine(holder):
            raise self._refusal(holder or {})

    def check(self) -> None:
        if self._lost:
            raise ConfigError(
                f"output={self._index}: another `zoetrope index` has taken over, as this one was not heard of for "
                f"{self._stale:.0f} s; when it has ended, the same command goes on with what is missing"
            )

    def release(self) -> None:
        """Stop beating, and remove the object if it is still ours; if that fails, it grows stale."""
        self._stop.set()
        self._thread.join()
        try:
            if not self._lost and self._is_mine(self._read()):
                remove_object(self._uri)
        except OSError:
            return

    def _keep(self) -> None:
        while not self._stop.wait(self._beat):
            try:
                if not self._is_mine(self._read()):
                    self._lost = True
                    return
                write_bytes(self._uri, self._content())
            except OSError:
                continue  # the store is unreachable for a moment; the lease lasts for several beats

    def _content(self) -> bytes:
        return json.dumps({**self._me, "time": time.time()}).encode()

    def _read(self) -> dict[str, Any] | None:
        """What its holder wrote; None if nobody holds it."""
        try:
            with open_uri(self._uri) as stream:
                holder = json.load(stream)
        except FileNotFoundError:
            return None
        except ValueError:
            return {}
        return holder if isinstance(holder, dict) else {}

    def _is_mine(self, holder: dict[str, Any] | None) -> bool:
        return holder is not None and holder.get("token") == self._me["token"]

    def _dead(self, holder: dict[str, Any]) -> bool:
        if time.time() - float(holder.get("time", 0)) > self._stale:
            return True
        return holder.get("host") == self._me["host"] and not _alive(int(holder.get("pid", 0)))

    def _refusal(self, holder: dict[str, Any]) -> ConfigError:
        return ConfigError(
            f"output={self._index}: another `zoetrope index` is writing there (process {holder.get('pid', '?')} on "
            f"{holder.get('host', '?')}); wait for it to end. If it was killed, its lock {self._uri} is free "
            f"{self._stale:.0f} s after it was last written"
        )


def _alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
