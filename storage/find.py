"""Find files: by path, glob or brace range, in a folder, on a disk or in an object store."""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import braceexpand

from schemas.errors import ConfigError
from schemas.text import one_line
from storage.folders import all_below, entries, is_local_folder, leads_nowhere
from storage.globs import glob_regex, split_at_glob
from storage.login import check_folder_address
from storage.read import file_size
from storage.uris import absolute, join


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
        found = [FileInfo(join(folder, name), size) for name, size in all_below(folder)]
    except OSError as error:
        raise OSError(f"{folder}: cannot be listed: {one_line(error)}") from error
    return sorted(found, key=lambda file: file.path)


def find_some(pattern: str, field: str) -> list[FileInfo]:
    """As `find`, and brace ranges too. Raises ConfigError that names the config field if nothing is there.

    As in a shell, ``*`` matches no name that begins with a dot: copies made by macOS hold ``._NAME`` files.
    """
    files = _shown(pattern, find(pattern))
    if not files and "{" in pattern:
        files = _find_braces(pattern, field)
    lost = next((file.path for file in files if not file.size and leads_nowhere(file.path)), None)
    if lost is not None:
        raise ConfigError(f"{field}: {lost}: a link that leads nowhere; correct it, or remove it")
    if files:
        return files
    if is_local_folder(absolute(pattern)):
        raise ConfigError(
            f"{field}: {pattern} is a folder: give the files in it, such as '{join(pattern, '*')}'"
        )
    raise ConfigError(f"{field}: {pattern}: no such file, or nothing matches; check the path")


def _shown(pattern: str, files: list[FileInfo]) -> list[FileInfo]:
    """Leave out hidden files and those in hidden folders, unless the glob itself names a hidden part."""
    head, rest = split_at_glob(absolute(pattern))
    if not rest or any(part.startswith(".") for part in rest.split("/")):
        return files
    below = len(head) + 1
    return [file for file in files if not any(part.startswith(".") for part in file.path[below:].split("/"))]


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
    prefix = ""
    if pattern.startswith("file://"):
        prefix = "file://"
    return [prefix + file.path for file in find(pattern)]


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
        return all_below(head)
    literal = re.match(r"[^*?\[]*", rest)
    prefix = ""
    if literal:
        prefix = literal[0]
    return ((name, size) for name, size in entries(head, prefix) if size is not None)
