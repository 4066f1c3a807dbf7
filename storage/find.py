"""Find files: by path, glob or brace range, in a folder, on a disk or in an object store."""

from __future__ import annotations

import hashlib
import os
import re
import stat
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import braceexpand

from schemas.errors import ConfigError
from schemas.text import one_line
from storage.globs import glob_regex, split_at_glob
from storage.login import GOOGLE, as_os_error, check_folder_address, filesystem
from storage.read import file_size
from storage.remote.pages import iter_objects
from storage.uris import absolute, is_remote, join, local_path, scheme_of


@dataclass(frozen=True, slots=True)
class FileInfo:
    """One input file."""

    path: str
    size: int  # bytes


def find(pattern: str) -> list[FileInfo]:
    """The files that a path or glob matches, sorted by path; [] if there are none.

    ``*`` and ``?`` match within a name, ``**`` across folders, ``[...]`` one of some characters. A local name
    that holds such characters is found as it is spelt. Raises OSError if the place cannot be listed,
    ConfigError as `check_folder_address`.
    """
    pattern = absolute(pattern)
    check_folder_address(pattern)
    head, rest = split_at_glob(pattern)
    try:
        if not rest:
            size = file_size(pattern)
            if size is None:
                return []
            return [FileInfo(pattern, size)]
        matches = re.compile(glob_regex(rest)).fullmatch
        found = [FileInfo(join(head, name), size) for name, size in _walk(head, rest) if matches(name)]
        return sorted(found, key=lambda file: file.path)
    except OSError as error:
        raise OSError(
            f"{pattern}: cannot be listed: {one_line(error)}; check the path and your right to read it"
        ) from error


def find_under(folder: str) -> list[FileInfo]:
    """Every file in a folder and its folders, sorted by path; [] if there is no such folder.

    The folder's name may hold any character. Links are followed; one that leads nowhere is a file of 0 bytes.
    Raises as `find`.
    """
    folder = absolute(folder).rstrip("/") or "/"
    check_folder_address(folder)
    try:
        found = [FileInfo(join(folder, name), size) for name, size in _all_below(folder)]
    except OSError as error:
        raise OSError(f"{folder}: cannot be listed: {one_line(error)}") from error
    return sorted(found, key=lambda file: file.path)


def find_some(pattern: str, field: str) -> list[FileInfo]:
    """As `find`, and brace ranges too. Raises ConfigError that names the config field if nothing is there."""
    files = find(pattern)
    if not files and "{" in pattern:
        files = _find_braces(pattern, field)
    lost = next((file.path for file in files if not file.size and _leads_nowhere(file.path)), None)
    if lost is not None:
        raise ConfigError(f"{field}: {lost}: a link that leads nowhere; mend it, or remove it")
    if files:
        return files
    if is_local_folder(absolute(pattern)):
        raise ConfigError(
            f"{field}: {pattern} is a folder: give the files in it, such as '{join(pattern, '*')}'"
        )
    raise ConfigError(f"{field}: {pattern}: no such file, or nothing matches; check the path")


def _find_braces(pattern: str, field: str) -> list[FileInfo]:
    """The files of ``{0000..2175}.tar``, from one listing. Each of them must be there."""
    listed = {file.path: file for file in find(re.sub(r"\{[^{}]*\}", "*", absolute(pattern)))}
    wanted = sorted(braceexpand.braceexpand(absolute(pattern)))
    missing = next((path for path in wanted if path not in listed), None)
    if missing is not None:
        raise ConfigError(f"{field}: {missing}: no such file, but {pattern} names it; check the range")
    return [listed[path] for path in wanted]


def glob_uris(pattern: str) -> list[str]:
    """Sorted paths or URIs that a glob matches, in the form of the pattern (``file://`` is kept).

    Raises as `find`.
    """
    prefix = "file://" if pattern.startswith("file://") else ""
    return [prefix + file.path for file in find(pattern)]


def list_names(folder: str) -> list[str]:
    """Sorted names of the files and folders in a folder; [] if it does not exist.

    The folder's name may hold any character.
    """
    return sorted(name for name, _ in _entries(folder))


def list_uris(folder: str, suffix: str) -> list[str]:
    """Sorted paths or URIs of what a folder holds under names with this suffix."""
    return [join(folder, name) for name in list_names(folder) if name.endswith(suffix)]


def file_sizes(folder: str, suffix: str) -> dict[str, int]:
    """Name -> bytes of the files in a folder under names with this suffix; {} if there is no such folder."""
    return {name: size for name, size in _entries(folder) if size is not None and name.endswith(suffix)}


def iter_below(folder: str) -> Iterator[tuple[str, int]]:
    """Yield (path below the folder, bytes) of every file in a folder and its folders, in no order.

    One listing of an object store, page by page. Nothing if there is no such folder; links to folders are not
    followed.
    """
    here = local_path(folder)
    if here is None:
        yield from _all_below(folder)
    elif os.path.isdir(here):
        yield from _scan(here, "")


def _scan(folder: str, prefix: str) -> Iterator[tuple[str, int]]:
    with os.scandir(folder) as entries:
        for entry in entries:
            if entry.is_dir(follow_symlinks=False):
                yield from _scan(entry.path, f"{prefix}{entry.name}/")
            else:
                yield prefix + entry.name, _size_of_entry(entry)


def first_name(folder: str) -> str | None:
    """Some name in a folder; None if it is empty or does not exist."""
    return next((name for name, _ in _entries(folder)), None)


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
    return os.path.isdir(path)


def identity(files: Sequence[FileInfo]) -> dict[str, int | str]:
    """Identify a set of input files: how many, how many bytes, and a digest of names and sizes.

    Names are relative to the common folder, so that a corpus may be moved. Modification times and etags are
    left out: copying a corpus to another disk or bucket changes them, and its bytes not at all.
    """
    # commonpath would mangle gs://
    prefix = os.path.commonprefix([file.path for file in files])  # noqa: RUF071
    folder = prefix.rpartition("/")[0]
    digest = hashlib.blake2b(digest_size=8)
    for file in files:
        line = f"{file.path[len(folder) :]}\x1f{file.size}\x1e"
        digest.update(line.encode("utf-8", "surrogateescape"))  # names on a disk need not be UTF-8
    return {"files": len(files), "bytes": sum(f.size for f in files), "names": digest.hexdigest()}


def _walk(head: str, rest: str) -> Iterable[tuple[str, int]]:
    """(path below `head`, bytes) of the files that a glob relative to it could match."""
    if "/" in rest or "**" in rest:
        return _all_below(head)
    literal = re.match(r"[^*?\[]*", rest)
    prefix = ""
    if literal:
        prefix = literal[0]
    return ((name, size) for name, size in _entries(head, prefix) if size is not None)


def _all_below(folder: str) -> Iterator[tuple[str, int]]:
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
    if not os.path.isdir(folder):
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
    """Bytes of a regular file, 0 of a link to nothing, None of anything else."""
    try:
        about = os.stat(path)
    except (OSError, ValueError):
        if _leads_nowhere(path):
            return 0
        return None
    if stat.S_ISREG(about.st_mode):
        return about.st_size
    return None


def _entries(folder: str, prefix: str = "") -> Iterator[tuple[str, int | None]]:
    """(name, bytes) of what a folder holds, with None for folders; nothing if there is no such folder.

    Names that do not begin with `prefix` may be left out.
    """
    here = local_path(folder)
    if here is not None:
        if os.path.isdir(here):
            with os.scandir(here) as entries:
                for entry in entries:
                    if _leads_nowhere(entry.path):
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


def _leads_nowhere(path: str) -> bool:
    """Is it a link without a target?"""
    return os.path.islink(path) and not os.path.exists(path)


def _size_of_entry(entry: os.DirEntry[str]) -> int:
    try:
        return entry.stat().st_size
    except FileNotFoundError:  # a link to nothing, or removed since the listing
        return 0
