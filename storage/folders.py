"""List what a folder holds, on a disk or in an object store."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterable, Iterator

from storage.login import GOOGLE, as_os_error, check_folder_address, filesystem
from storage.remote.pages import iter_objects
from storage.uris import absolute, is_remote, join, local_path, scheme_of


def list_names(folder: str) -> list[str]:
    """Sorted names of the files and folders in a folder; [] if it does not exist.

    The folder's name may hold any character.
    """
    return sorted(name for name, _ in entries(folder))


def list_uris(folder: str, suffix: str) -> list[str]:
    """Sorted paths or URIs of what a folder holds under names with this suffix."""
    return [join(folder, name) for name in list_names(folder) if name.endswith(suffix)]


def file_sizes(folder: str, suffix: str) -> dict[str, int]:
    """Name -> bytes of the files in a folder under names with this suffix; {} if there is no such folder."""
    return {name: size for name, size in entries(folder) if size is not None and name.endswith(suffix)}


def iter_below(folder: str) -> Iterator[tuple[str, int]]:
    """Yield (path below the folder, bytes) of every file in a folder and its folders, in no order.

    One listing of an object store, page by page. Nothing if there is no such folder; links to folders are not
    followed.
    """
    here = local_path(folder)
    if here is None:
        yield from all_below(folder)
    elif _is_folder(here):
        yield from _scan(here, "")


def _scan(folder: str, prefix: str) -> Iterator[tuple[str, int]]:
    try:
        found = os.scandir(folder)
    except FileNotFoundError:  # a worker has removed it since it was listed
        return
    with found:
        for entry in found:
            if entry.is_dir(follow_symlinks=False):
                yield from _scan(entry.path, f"{prefix}{entry.name}/")
            else:
                yield prefix + entry.name, _size_of_entry(entry)


def first_name(folder: str) -> str | None:
    """Some name in a folder; None if it is empty or does not exist."""
    return next((name for name, _ in entries(folder)), None)


def is_local_folder(path: str) -> bool:
    """Is it a folder on this machine? False for object stores, which have none."""
    path_here = local_path(path)
    return path_here is not None and os.path.isdir(path_here)


def folder_exists(path: str) -> bool:
    """Does a local folder exist, or does an object store hold anything below this prefix?

    Raises OSError, ConfigError.
    """
    path = absolute(path)
    check_folder_address(path)
    if is_remote(path):
        return first_name(path) is not None
    return _is_folder(path)


def all_below(folder: str) -> Iterator[tuple[str, int]]:
    """(path below the folder, bytes) of every file in it and its folders."""
    here = local_path(folder)
    if here is not None:
        start = len(os.path.join(here, ""))
        for file, size in _files_below(here):
            yield file[start:], size
        return
    files, path = filesystem(folder)
    if scheme_of(folder) in GOOGLE:
        with as_os_error(folder):
            yield from _only_files(iter_objects(files, path, recursive=True))
        return
    base = path.rstrip("/") + "/"
    with as_os_error(folder):
        found = files.find(path, detail=True)
    for name, about in found.items():
        if name.startswith(base) and about["type"] == "file":
            yield name[len(base) :], int(about["size"])


def _only_files(entries: Iterable[tuple[str, int | None]]) -> Iterator[tuple[str, int]]:
    return ((name, size) for name, size in entries if size is not None)


def _files_below(folder: str) -> Iterator[tuple[str, int]]:
    """(path, bytes) of every file in a local folder, through links; a link to nothing is a file of 0 bytes.

    Raises OSError if a folder in it cannot be listed: its files would vanish otherwise.
    """
    if not _is_folder(folder):
        return

    def unreadable(error: OSError) -> None:
        raise error

    for inner, folders, names in os.walk(folder, onerror=unreadable, followlinks=True):
        here = os.path.realpath(inner) + os.sep
        # A link to a folder above would make the walk endless. os.walk enters what stays in `folders`.
        folders[:] = [
            name
            for name in folders
            if not here.startswith(os.path.realpath(os.path.join(inner, name)) + os.sep)
        ]
        for name in names:
            path = os.path.join(inner, name)
            size = _size_of_file(path)
            if size is not None:
                yield path, size


def _size_of_file(path: str) -> int | None:
    """Bytes of a regular file, 0 of a link to nothing, None of anything else.

    Raises PermissionError for the files of a folder that may be listed and not entered.
    """
    if leads_nowhere(path):
        return 0
    about = stat_of(path)
    if about is not None and stat.S_ISREG(about.st_mode):
        return about.st_size
    return None


def stat_of(path: str) -> os.stat_result | None:
    """The status of a local path, through links; None if nothing is there.

    Raises PermissionError if that cannot be found out: `os.path.isfile` would take such a file for missing.
    """
    try:
        return os.stat(path)
    except PermissionError:
        raise
    except (OSError, ValueError):  # ValueError: a name that no file can have
        return None


def _is_folder(path: str) -> bool:
    about = stat_of(path)
    return about is not None and stat.S_ISDIR(about.st_mode)


def entries(folder: str, prefix: str = "") -> Iterator[tuple[str, int | None]]:
    """(name, bytes) of what a folder holds, with None for folders; nothing if there is no such folder.

    Names that do not begin with `prefix` may be left out.
    """
    here = local_path(folder)
    if here is not None:
        if _is_folder(here):
            with os.scandir(here) as entries:
                for entry in entries:
                    if leads_nowhere(entry.path):
                        yield entry.name, 0
                    elif entry.is_dir():
                        yield entry.name, None
                    elif entry.is_file():  # no pipe, socket or device
                        yield entry.name, _size_of_entry(entry)
        return
    files, path = filesystem(folder)
    base = path.rstrip("/") + "/"
    try:
        with as_os_error(folder):
            if scheme_of(folder) in GOOGLE:
                yield from iter_objects(files, path, prefix=prefix)
                return
            found = files.ls(path, detail=True)
    except FileNotFoundError:
        return
    for about in found:
        name = about["name"].rstrip("/")
        if not name.startswith(base):
            continue
        if about["type"] == "file":
            yield name[len(base) :], int(about["size"] or 0)
        else:
            yield name[len(base) :], None


def leads_nowhere(path: str) -> bool:
    """Is it a link without a target?"""
    return os.path.islink(path) and not os.path.exists(path)


def _size_of_entry(entry: os.DirEntry[str]) -> int:
    try:
        return entry.stat().st_size
    except FileNotFoundError:  # a link to nothing, or removed since the listing
        return 0
