"""Files by path or URI outside Beam jobs: local paths, gs://, s3:// and whatever else fsspec knows.

Beam jobs use `apache_beam.io.filesystems.FileSystems` instead; both read the same bytes.
"""

from __future__ import annotations

import io
from typing import IO, Any

import fsspec

REMOTE_READ = 4 << 20  # bytes a request


def open_uri(uri: str, mode: str = "rb") -> IO[Any]:
    """Open one file. Raises OSError (with the path) if it cannot be opened, ValueError for an unknown scheme.

    Objects are read in large pieces: readers of tars ask for 10 kB at a time, which some clients would fetch one by one.
    """
    stream = fsspec.open(uri, mode).open()
    return io.BufferedReader(stream, REMOTE_READ) if mode == "rb" and "://" in uri else stream


def glob_uris(pattern: str) -> list[str]:
    """Sorted URIs that match a glob (``*``, ``?``, ``[...]``, ``**``), each with its scheme kept."""
    files, path = fsspec.core.url_to_fs(pattern)
    found = [name for name in files.glob(path) if not files.isdir(name)]  # fsspec's own opener expands `*` alone
    return sorted(str(files.unstrip_protocol(name)) if "://" in pattern else str(name) for name in found)


def list_uris(folder: str, suffix: str) -> list[str]:
    """Sorted URIs of what lies directly in a folder and ends so; a folder's name may hold any character."""
    files, path = fsspec.core.url_to_fs(folder)
    try:
        entries = files.ls(path, detail=False)
    except (FileNotFoundError, NotADirectoryError):  # isdir would say no to a store that cannot be reached, too
        return []
    names = sorted(entry.rstrip("/").rpartition("/")[2] for entry in entries)
    return [join(folder, name) for name in names if name.endswith(suffix)]


def exists(uri: str) -> bool:
    """Whether a file or folder is there."""
    files, path = fsspec.core.url_to_fs(uri)
    return bool(files.exists(path))


def join(folder: str, *names: str) -> str:
    """``gs://bucket/clips/`` and ``a.tar`` -> ``gs://bucket/clips/a.tar``."""
    return "/".join([folder.rstrip("/") or "/", *names]) if folder else "/".join(names)
