"""Input files by path or URI, through Beam's FileSystems: find, open for range reads, read one picture.

Everything a source opens passes here, so local folders and gs:// behave alike and every error names its path and what
to do.
"""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import IO

import braceexpand
from apache_beam.io.filesystem import CompressionTypes

from schemas.errors import ConfigError
from schemas.records import Reason, SampleError, Stage
from storage.beam_files import beam_files
from storage.files import check_access

GLOB_CHARACTERS = "*?["
READ_CHUNK = 256 * 1024
MAX_PICTURE_BYTES = 256 * 1024 * 1024  # of an encoded picture in a file, zip, tar or table


@dataclass(frozen=True, slots=True)
class FileInfo:
    """One input file."""

    path: str
    size: int  # bytes


def absolute(pattern: str) -> str:
    """A local path or glob made absolute (``~`` resolved), so that it means the same on every worker; URIs stay."""
    if pattern.startswith("file://"):
        pattern = pattern.removeprefix("file://")
    return pattern if "://" in pattern else os.path.abspath(os.path.expanduser(pattern))


def check_beam_address(uri: str) -> None:
    """Raises ConfigError, one line, for an address that Beam cannot open, s3:// without its packages, gs:// without a login."""
    scheme, remote, _ = uri.partition("://")
    if not remote:
        return
    try:
        beam_files(uri).get_filesystem(uri)
    except ValueError:
        raise ConfigError(
            f"{uri}: no way to open {scheme}:// addresses; download it, or give a local path or gs://bucket/..."
        ) from None
    except OSError as error:
        raise ConfigError(f"{uri}: no way to open {scheme}:// addresses: {_one_line(error)}") from None
    check_access(uri)


def is_glob(pattern: str) -> bool:
    """Whether a path has glob characters (``*``, ``**``, ``?``, ``[...]``) and is not the name of something local."""
    return any(character in pattern for character in GLOB_CHARACTERS) and not os.path.lexists(
        absolute(pattern)
    )


def find(pattern: str) -> list[FileInfo]:
    """Files that a path or glob matches, sorted by path; [] if none. Raises OSError if the place cannot be listed."""
    pattern = absolute(pattern)
    check_beam_address(pattern)
    try:
        if "[" in pattern and beam_files(pattern).exists(pattern):  # a name that happens to hold a bracket
            return [
                FileInfo(pattern, beam_files(pattern).get_filesystem(pattern).metadata(pattern).size_in_bytes)
            ]
        found = beam_files(pattern).match([pattern])[0].metadata_list
    except OSError as error:
        raise OSError(
            f"{pattern}: cannot be listed: {_one_line(error)}; check the path and your right to read it"
        ) from error
    return sorted(
        (FileInfo(m.path, m.size_in_bytes) for m in found if not is_folder(m.path)), key=lambda f: f.path
    )


def find_under(folder: str) -> list[FileInfo]:
    """Every file in a folder and its folders, whatever characters are in its name, sorted by path; [] if there is none.

    Raises as `find`.
    """
    folder = absolute(folder)
    if "://" in folder:
        return find(join(folder, "**"))
    paths = [os.path.join(inner, name) for inner, _, names in os.walk(folder) for name in names]
    return sorted(
        (FileInfo(path, os.path.getsize(path)) for path in paths if os.path.isfile(path)),
        key=lambda f: f.path,
    )


def find_some(pattern: str, field: str) -> list[FileInfo]:
    """As `find`, and brace ranges too, but nothing there is a ConfigError that names the config field."""
    files = find(pattern) or (_find_braces(pattern, field) if "{" in pattern else [])
    if not files:
        if is_folder(absolute(pattern)):
            raise ConfigError(
                f"{field}: {pattern} is a folder: give the files in it, such as '{join(pattern, '*')}'"
            )
        raise ConfigError(f"{field}: {pattern}: no such file, or nothing matches; check the path")
    return files


def _find_braces(pattern: str, field: str) -> list[FileInfo]:
    """The files of ``{0000..2175}.tar``, from one listing; each of them must be there."""
    listed = {file.path: file for file in find(re.sub(r"\{[^{}]*\}", "*", absolute(pattern)))}
    wanted = sorted(braceexpand.braceexpand(absolute(pattern)))
    missing = next((path for path in wanted if path not in listed), None)
    if missing is not None:
        raise ConfigError(f"{field}: {missing}: no such file, but {pattern} names it; check the range")
    return [listed[path] for path in wanted]


def is_folder(path: str) -> bool:
    """Whether a local path is a folder. Object stores have none: False."""
    return "://" not in path and os.path.isdir(path)


def folder_exists(path: str) -> bool:
    """Whether a folder (or object prefix) holds anything. Asked only to tell one missing file from a vanished source."""
    path = absolute(path)
    check_beam_address(path)
    if "://" not in path:
        return os.path.isdir(path)
    return bool(beam_files(path).match([path.rstrip("/") + "/**"], [1])[0].metadata_list)


def open_input(path: str) -> IO[bytes]:
    """Open one file for random-access reading, never decompressed. Raises OSError naming the path and the cause."""
    try:
        stream: IO[bytes] = beam_files(path).open(path, compression_type=CompressionTypes.UNCOMPRESSED)
    except Exception as error:  # object stores raise exceptions of their own
        kind = FileNotFoundError if _is_missing(error) else OSError
        message = f"{path}: cannot be read: {_one_line(error)}"
        raise kind(message) from error
    return stream


def read_picture(path: str, max_bytes: int = MAX_PICTURE_BYTES) -> bytes:
    """The bytes of one picture file. Raises SampleError (missing_image, too_large, unreadable, empty_body)."""
    try:
        with _open_picture(path) as stream:
            data: bytes = stream.read(max_bytes + 1)
    except Exception as error:
        if _is_missing(error):
            raise SampleError(Stage.READ, Reason.MISSING_IMAGE, f"{path}: no such file") from None
        raise SampleError(Stage.READ, Reason.UNREADABLE, f"{path}: {_one_line(error)}") from None
    if len(data) > max_bytes:
        raise SampleError(Stage.READ, Reason.TOO_LARGE, f"{path}: over {max_bytes} bytes")
    if not data:
        raise SampleError(Stage.READ, Reason.EMPTY_BODY, f"{path}: an empty file")
    return data


def _open_picture(path: str) -> IO[bytes]:
    """Local files without Beam, whose open takes five times as long."""
    if "://" not in path:
        return open(path, "rb")
    stream: IO[bytes] = beam_files(path).open(path, compression_type=CompressionTypes.UNCOMPRESSED)
    return stream


def capped_lines(stream: IO[bytes], size: int, uri: str, *, cap: int) -> Iterator[tuple[bytes, int]]:
    """(line without newline, its true length) over the next `size` bytes; of a line
    longer than `cap` only about that much is held.

    Raises OSError if the file ends before.
    """
    pending, length = b"", 0
    while size > 0:
        chunk = stream.read(min(READ_CHUNK, size))
        if not chunk:
            raise OSError(f"{uri}: ends {size} bytes early: it changed during the job")
        size -= len(chunk)
        *lines, tail = chunk.split(b"\n")
        for line in lines:
            yield (pending + line if pending else line), length + len(line)
            pending, length = b"", 0
        length += len(tail)
        pending = (pending + tail)[: cap + 1]
    if length:
        yield pending, length


def join(folder: str, *names: str) -> str:
    """``gs://bucket/pictures/`` and ``a.jpg`` -> ``gs://bucket/pictures/a.jpg``."""
    return "/".join([folder.rstrip("/"), *names])


def safe_relative(name: str) -> str | None:
    """A file name from an index, if it stays inside the folder it is relative to; None if it could leave it."""
    if not name or "\\" in name or "://" in name or name.startswith("/") or any(ord(c) < 32 for c in name):
        return None
    parts = [part for part in name.split("/") if part not in ("", ".")]
    return None if not parts or ".." in parts else "/".join(parts)


def identity(files: Sequence[FileInfo]) -> dict[str, int | str]:
    """What tells one set of input files from another: how many, how many bytes, and a digest of names and sizes.

    Names are taken relative to their common folder, so that a source may be moved. Modification times and etags are left
    out: copying a corpus to another disk or bucket changes them, and its bytes not at all.
    """
    prefix = os.path.commonprefix([file.path for file in files])  # noqa: RUF071 - commonpath would mangle gs://
    folder = prefix.rpartition("/")[0]
    digest = hashlib.blake2b(digest_size=8)
    for file in files:
        digest.update(f"{file.path[len(folder) :]}\x1f{file.size}\x1e".encode())
    return {"files": len(files), "bytes": sum(f.size for f in files), "names": digest.hexdigest()}


def _is_missing(error: Exception) -> bool:
    return isinstance(error, FileNotFoundError | NotADirectoryError) or getattr(error, "code", None) == 404


def _one_line(error: BaseException) -> str:
    details = getattr(error, "exception_details", None)  # Beam wraps what the store said, sometimes twice
    if details:
        return _one_line(next(iter(details.values())))
    text = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
    return " ".join(str(text).split()) or type(error).__name__
