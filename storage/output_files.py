"""Files that a job writes: create, move, list, remove. Local paths by plain system calls, URIs by Beam's FileSystems.

Local paths do not go through Beam because its `match` and `delete` read brackets in a folder's name as a glob.
Every error is an OSError whose message names the path.
"""

from __future__ import annotations

import io
import os
import shutil
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from types import TracebackType
from typing import IO, Any, Self, cast

from apache_beam.io.filesystem import CompressionTypes

from storage.beam_files import beam_files


def is_local(uri: str) -> bool:
    """Whether a path is on a file system of this machine."""
    return "://" not in uri


def create(path: str) -> IO[bytes]:
    """Open a new file for writing, its folders made as needed. Nothing is compressed."""
    if is_local(path):
        os.makedirs(os.path.dirname(path), exist_ok=True)
        return open(path, "wb")
    return cast("IO[bytes]", _Upload(path))


class _Upload(io.BufferedIOBase):
    """An object being written. It appears when it is closed, whole; of one that failed, or was left by an error, nothing."""

    def __init__(self, path: str) -> None:
        self._path = path
        with _as_os_error(path):
            self._stream = beam_files(path).create(path, compression_type=CompressionTypes.UNCOMPRESSED)

    def writable(self) -> bool:
        return True

    def write(self, data: Any) -> int:
        with _as_os_error(self._path):
            self._stream.write(data)
        return len(data)

    def close(self) -> None:
        if not self.closed:
            try:
                with _as_os_error(self._path):
                    self._stream.close()
            finally:
                super().close()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is None:
            self.close()
            return
        super().close()  # without the upload's end, so that no cut-off object appears

    def __enter__(self) -> Self:
        return self

    def __del__(self) -> None:
        """Forgotten is not finished: nothing is uploaded."""


@contextmanager
def _as_os_error(path: str) -> Iterator[None]:
    """Clients of object stores raise errors of their own, which name no path."""
    try:
        yield
    except (ValueError, KeyboardInterrupt):  # an address that nobody knows; Ctrl-C
        raise
    except Exception as error:
        text = " ".join(str(error).split()) or type(error).__name__
        raise OSError(text if path in text else f"{path}: {text}") from error


def open_file(path: str) -> IO[bytes]:
    """Open a file for reading."""
    if is_local(path):
        return open(path, "rb")
    with _as_os_error(path):
        stream: IO[bytes] = beam_files(path).open(path, compression_type=CompressionTypes.UNCOMPRESSED)
    return stream


def write_bytes(path: str, data: bytes) -> None:
    """Write a small file whole or not at all: readers see the old one or the new one."""
    if not is_local(path):  # an object appears when its upload ends
        with create(path) as stream:
            stream.write(data)
        return
    beside = f"{path}.{uuid.uuid4().hex[:8]}.part"
    try:
        with create(beside) as stream:
            stream.write(data)
        os.replace(beside, path)
    except OSError:
        if os.path.exists(beside):
            os.remove(beside)
        raise


def read_bytes(path: str) -> bytes:
    """A small file, whole."""
    with open_file(path) as stream:
        return stream.read()


def exists(path: str) -> bool:
    """Whether a file (locally also a folder) is there."""
    if is_local(path):
        return os.path.exists(path)
    with _as_os_error(path):
        return bool(beam_files(path).exists(path))


def size(path: str) -> int | None:
    """Bytes of a file, None if it is not there."""
    if is_local(path):
        return os.path.getsize(path) if os.path.exists(path) else None
    filesystem = beam_files(path).get_filesystem(path)
    with _as_os_error(path):
        return int(filesystem.metadata(path).size_in_bytes) if filesystem.exists(path) else None


def move(source: str, target: str) -> None:
    """Rename one file over whatever stands at the target. Atomic locally; a copy, then a delete, on object stores."""
    if is_local(target):
        os.makedirs(os.path.dirname(target), exist_ok=True)
        os.replace(source, target)
    else:
        with _as_os_error(target):
            beam_files(target).rename([source], [target])


def names(folder: str) -> Iterator[str]:
    """Names directly in a folder, files and folders, in no order; none if there is no such folder."""
    if is_local(folder):
        if os.path.isdir(folder):
            with os.scandir(folder) as entries:
                yield from (entry.name for entry in entries)
        return
    seen: set[str] = set()
    prefix = folder.rstrip("/") + "/"
    for match in _listed(prefix):
        name = match.path[len(prefix) :].partition("/")[0]
        if name and name not in seen:
            seen.add(name)
            yield name


def sizes(folder: str, suffix: str) -> dict[str, int]:
    """Bytes of the files directly in a folder whose names end so; {} if there is no such folder."""
    if is_local(folder):
        if not os.path.isdir(folder):
            return {}
        with os.scandir(folder) as entries:
            return {entry.name: entry.stat().st_size for entry in entries if entry.name.endswith(suffix)}
    with _as_os_error(folder):
        found = beam_files(folder).match([f"{folder.rstrip('/')}/*{suffix}"])[0].metadata_list
    return {match.path.rpartition("/")[2]: int(match.size_in_bytes) for match in found}


def any_name(folder: str) -> str | None:
    """Some name in a folder, None if it is empty or not there."""
    if is_local(folder):
        return next(names(folder), None)
    prefix = folder.rstrip("/") + "/"
    found = _listed(prefix, 1)
    return found[0].path[len(prefix) :].partition("/")[0] if found else None


def remove(path: str) -> None:
    """Remove one file, if it is there."""
    if is_local(path):
        if os.path.lexists(path):
            os.remove(path)
    elif exists(path):
        with _as_os_error(path):
            beam_files(path).delete([path])


def remove_tree(folder: str) -> None:
    """Remove a folder and everything in it, if it is there."""
    if is_local(folder):
        if os.path.isdir(folder):
            shutil.rmtree(folder)
        return
    found = _listed(folder.rstrip("/") + "/")
    if found:
        with _as_os_error(folder):
            beam_files(folder).delete([match.path for match in found])


def _listed(prefix: str, limit: int | None = None) -> list[Any]:
    with _as_os_error(prefix):
        return list(beam_files(prefix).match([prefix + "**"], [limit])[0].metadata_list)


def remove_empty(folder: str) -> None:
    """Remove a local folder if nothing is in it; object stores have none."""
    if is_local(folder) and os.path.isdir(folder) and not os.listdir(folder):
        os.rmdir(folder)
