"""One job an output. Locally a kernel lock, which dies with its process; on object stores a leased object."""

from __future__ import annotations

import json
import os
import socket
import threading
import time
import uuid
from types import TracebackType
from typing import Any, Protocol, Self

from pipelines.making.task import output_error
from pipelines.output.folder import Output
from schemas.errors import ConfigError
from storage import output_files as files

BEAT_SECONDS = 20.0
STALE_SECONDS = 120.0  # six missed beats: its job is dead


class OutputLock:
    """Held while a job writes to an output. Raises ConfigError at once if another job holds it."""

    def __init__(self, output: Output, *, beat: float = BEAT_SECONDS, stale: float = STALE_SECONDS) -> None:
        self._lock: _Kernel | _Lease = (
            _Kernel(output.state("lock"))
            if files.is_local(output.uri)
            else _Lease(output.state("lock"), beat, stale)
        )
        self._output = output

    def __enter__(self) -> Self:
        try:
            holder = self._lock.take()
        except OSError as error:
            raise output_error(error, self._output.uri) from error
        if holder is not None:
            who = f"process {holder.get('pid', '?')} on {holder.get('host', '?')}"
            raise ConfigError(
                f"output {self._output.uri}: another job is writing there ({who}); wait for it, stop it, or give another output"
            )
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._lock.release()

    @property
    def lost(self) -> bool:
        """Whether another job has taken the output over (only on object stores, after a long silence of this one)."""
        return self._lock.lost


class _Kernel:
    """flock on a file. The file goes with the lock, so that a finished output holds no trace of it."""

    lost = False

    def __init__(self, path: str) -> None:
        self._path = path
        self._descriptor = -1

    def take(self) -> dict[str, Any] | None:
        """None if the lock is ours now, else what its holder wrote."""
        import fcntl

        while True:
            os.makedirs(os.path.dirname(self._path), exist_ok=True)
            descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                holder = _parse(os.pread(descriptor, 4096, 0))
                os.close(descriptor)
                return holder
            if self._still_there(descriptor):
                break
            os.close(descriptor)  # its holder removed it between our open and our lock
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, json.dumps(_me()).encode(), 0)
        self._descriptor = descriptor
        return None

    def release(self) -> None:
        """Remove the file while the lock is held, then let go."""
        if self._descriptor >= 0:
            files.remove(self._path)
            os.close(self._descriptor)
            self._descriptor = -1

    def _still_there(self, descriptor: int) -> bool:
        try:
            return os.path.samestat(os.fstat(descriptor), os.stat(self._path))
        except FileNotFoundError:
            return False


class _Lease:
    """An object that its holder rewrites every `beat` seconds; once older than `stale` seconds, anyone may take it."""

    def __init__(self, path: str, beat: float, stale: float) -> None:
        self._store: _Store = _GcsStore(path) if path.startswith("gs://") else _PlainStore(path)
        self._beat, self._stale = beat, stale
        self._token = uuid.uuid4().hex
        self._generation: int | None = None
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._keep, name="lease", daemon=True)
        self.lost = False

    def take(self) -> dict[str, Any] | None:
        """None if the lease is ours now, else what its holder wrote."""
        holder, generation = self._store.read()
        if holder is not None and not self._dead(holder):
            return holder
        self._generation = self._store.write(self._content(), generation)
        if self._generation is None:  # somebody was faster
            return self._store.read()[0] or {}
        self._thread.start()
        return None

    def release(self) -> None:
        """Stop beating, and remove the object if it is still ours."""
        self._stop.set()
        if self._thread.is_alive():
            self._thread.join()
        if self._generation is not None and not self.lost:
            self._store.delete(self._generation)
            self._generation = None

    def _dead(self, holder: dict[str, Any]) -> bool:
        if time.time() - float(holder.get("time", 0)) > self._stale:
            return True
        return holder.get("host") == socket.gethostname() and not _alive(int(holder.get("pid", 0)))

    def _content(self) -> dict[str, Any]:
        return {**_me(), "token": self._token, "time": time.time()}

    def _keep(self) -> None:
        while not self._stop.wait(self._beat):
            try:
                generation = self._store.write(self._content(), self._generation)
            except OSError:
                continue  # the store is unreachable for a moment; the lease lasts for several beats
            if generation is None:
                self.lost = True
                return
            self._generation = generation


class _Store(Protocol):
    def read(self) -> tuple[dict[str, Any] | None, int]: ...

    def write(self, content: dict[str, Any], generation: int | None) -> int | None: ...

    def delete(self, generation: int) -> None: ...


class _GcsStore:
    """One object of a bucket, written only if it is still the generation that was read (0: only if there is none)."""

    def __init__(self, uri: str) -> None:
        from apache_beam.io.gcp.gcsio import GcsIO

        bucket, _, name = uri.removeprefix("gs://").partition("/")
        self._bucket, self._name = GcsIO().client.bucket(bucket), name

    def read(self) -> tuple[dict[str, Any] | None, int]:
        """Its content and generation; (None, 0) if there is none."""
        from google.api_core.exceptions import GoogleAPICallError

        try:
            blob = self._bucket.get_blob(self._name)
            return (None, 0) if blob is None else (_parse(blob.download_as_bytes()), int(blob.generation))
        except GoogleAPICallError as error:
            raise OSError(f"gs://{self._bucket.name}/{self._name}: {error}") from error

    def write(self, content: dict[str, Any], generation: int | None) -> int | None:
        """The new generation; None if somebody else wrote it since."""
        from google.api_core.exceptions import GoogleAPICallError, PreconditionFailed

        blob = self._bucket.blob(self._name)
        try:
            blob.upload_from_string(json.dumps(content), if_generation_match=generation or 0)
        except PreconditionFailed:
            return None
        except GoogleAPICallError as error:
            raise OSError(f"gs://{self._bucket.name}/{self._name}: {error}") from error
        return int(blob.generation)

    def delete(self, generation: int) -> None:
        """Remove it, if it is still that generation."""
        from google.api_core.exceptions import GoogleAPICallError

        try:
            self._bucket.blob(self._name).delete(if_generation_match=generation)
        except GoogleAPICallError:
            return  # taken over, or unreachable: then it grows stale


class _PlainStore:
    """An object of any other store: no compare-and-set there, so two jobs started in the same second may both begin."""

    def __init__(self, uri: str) -> None:
        self._uri = uri

    def read(self) -> tuple[dict[str, Any] | None, int]:
        """Its content, and 0."""
        return (_parse(files.read_bytes(self._uri)), 0) if files.exists(self._uri) else (None, 0)

    def write(self, content: dict[str, Any], generation: int | None) -> int | None:
        """Overwrite it."""
        files.write_bytes(self._uri, json.dumps(content).encode())
        return 0

    def delete(self, generation: int) -> None:
        """Remove it."""
        files.remove(self._uri)


def _me() -> dict[str, Any]:
    return {"host": socket.gethostname(), "pid": os.getpid()}


def _alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def _parse(data: bytes) -> dict[str, Any]:
    try:
        value = json.loads(data)
    except ValueError:
        return {}  # cut off while it was written
    return value if isinstance(value, dict) else {}
