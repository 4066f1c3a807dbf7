"""Files that a job writes: create, move, list, remove. Local paths by plain system calls, URIs by Beam's FileSystems.

Local paths do not go through Beam because its `match` and `delete` read brackets in a folder's name as a glob.
Every error is an OSError whose message names the path.
"""

from __future__ import annotations

import os
import shutil
import uuid
from collections.abc import Iterator
from typing import IO

from apache_beam.io.filesystem import CompressionTypes
from apache_beam.io.filesystems import FileSystems


def is_local(uri: str) -> bool:
    """Whether a path is on a file system of this machine."""
    return "://" not in uri


def create(path: str) -> IO[bytes]:
    """Open a new file for writing, its folders made as needed. Nothing is compressed."""
    if is_local(path):
        os.makedirs(os.path.dirname(path), exist_ok=True)
        return open(path, "wb")
    stream: IO[bytes] = FileSystems.create(path, compression_type=CompressionTypes.UNCOMPRESSED)
    return stream


def open_file(path: str) -> IO[bytes]:
    """Open a file for reading."""
    if is_local(path):
        return open(path, "rb")
    stream: IO[bytes] = FileSystems.open(path, compression_type=CompressionTypes.UNCOMPRESSED)
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
    return os.path.exists(path) if is_local(path) else bool(FileSystems.exists(path))


def size(path: str) -> int | None:
    """Bytes of a file, None if it is not there."""
    if is_local(path):
        return os.path.getsize(path) if os.path.exists(path) else None
    filesystem = FileSystems.get_filesystem(path)
    return int(filesystem.metadata(path).size_in_bytes) if filesystem.exists(path) else None


def move(source: str, target: str) -> None:
    """Rename one file over whatever stands at the target. Atomic locally; a copy, then a delete, on object stores."""
    if is_local(target):
        os.makedirs(os.path.dirname(target), exist_ok=True)
        os.replace(source, target)
    else:
        FileSystems.rename([source], [target])


def names(folder: str) -> Iterator[str]:
    """Names directly in a folder, files and folders, in no order; none if there is no such folder."""
    if is_local(folder):
        if os.path.isdir(folder):
            with os.scandir(folder) as entries:
                yield from (entry.name for entry in entries)
        return
    seen: set[str] = set()
    prefix = folder.rstrip("/") + "/"
    for match in FileSystems.match([prefix + "**"])[0].metadata_list:
        name = match.path[len(prefix) :].partition("/")[0]
        if name and name not in seen:
            seen.add(name)
            yield name


def any_name(folder: str) -> str | None:
    """Some name in a folder, None if it is empty or not there."""
    if is_local(folder):
        return next(names(folder), None)
    prefix = folder.rstrip("/") + "/"
    found = FileSystems.match([prefix + "**"], [1])[0].metadata_list
    return found[0].path[len(prefix) :].partition("/")[0] if found else None


def remove(path: str) -> None:
    """Remove one file, if it is there."""
    if is_local(path):
        if os.path.lexists(path):
            os.remove(path)
    elif FileSystems.exists(path):
        FileSystems.delete([path])


def remove_tree(folder: str) -> None:
    """Remove a folder and everything in it, if it is there."""
    if is_local(folder):
        if os.path.isdir(folder):
            shutil.rmtree(folder)
        return
    found = FileSystems.match([folder.rstrip("/") + "/**"])[0].metadata_list
    if found:
        FileSystems.delete([match.path for match in found])


def remove_empty(folder: str) -> None:
    """Remove a local folder if nothing is in it; object stores have none."""
    if is_local(folder) and os.path.isdir(folder) and not os.listdir(folder):
        os.rmdir(folder)
