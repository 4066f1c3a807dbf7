"""Read files by path or URI: open, read whole or in part, ask for size and kind."""

from __future__ import annotations

import errno
import hashlib
import io
import os
import stat
from collections.abc import Iterator
from typing import IO, Any, Literal

from fsspec.spec import AbstractFileSystem

from schemas.records import Reason, SampleError, Stage
from schemas.text import human_bytes, one_line
from storage.folders import stat_of
from storage.login import GOOGLE, as_os_error, check_folder_address, filesystem
from storage.uris import is_remote, local_path, scheme_of

REMOTE_READ = 4 << 20  # bytes per request
READ_CHUNK = 256 * 1024  # bytes
MAX_WHOLE = 2 << 30  # bytes of a file that is read whole, unless its reader says less
MAX_JSON = 64 << 20  # bytes of a JSON file that we write ourselves
TEXT = {"r": "utf-8", "rb": None}  # mode -> encoding, whatever that of the locale
NOT_REGULAR = "not a regular file"
MAX_PICTURE_BYTES = 256 * 1024 * 1024  # of an encoded picture in a file, zip, tar or table


def open_uri(uri: str, mode: Literal["rb", "r"] = "rb", *, pipes: bool = False) -> IO[Any]:
    """Open one file for reading. Raises OSError, which names it, and ConfigError as `login.check_address`.

    A local file must be a regular one: opening a pipe waits for a writer, and some devices never end. `pipes`
    allows them, for a file that the user named, such as ``--config <(...)``.

    Objects are read in large pieces: readers of tars ask for 10 kB at a time, which some clients would fetch
    one by one.
    """
    here = local_path(uri)
    if here is not None:
        try:
            if pipes:
                return open(here, mode, encoding=TEXT[mode])
            return open(here, mode, encoding=TEXT[mode], opener=_open_regular)
        except ValueError as error:  # a NUL, or characters that no file name holds
            raise OSError(
                errno.EINVAL, f"no name of a file: {one_line(error, 100)}", one_line(here)
            ) from None
    files, path = filesystem(uri)
    with as_os_error(uri):
        stream = io.BufferedReader(_ObjectStream(uri, files.open(path, "rb")), REMOTE_READ)
    if mode == "rb":
        return stream
    return io.TextIOWrapper(stream, TEXT[mode])


def _open_regular(path: str, flags: int) -> int:
    descriptor = os.open(path, flags | os.O_NONBLOCK)  # which a regular file ignores
    mode = os.fstat(descriptor).st_mode
    if stat.S_ISREG(mode) or stat.S_ISDIR(mode):  # Python refuses a folder in its own words
        return descriptor
    os.close(descriptor)
    raise OSError(errno.EINVAL, NOT_REGULAR, path)


def open_input(path: str) -> IO[bytes]:
    """Open a source's file for random-access reading. Raises OSError that names the file and the reason."""
    check_folder_address(path)
    try:
        stream = open_uri(path)
    except OSError as error:
        kind = FileNotFoundError if is_missing(error) else OSError
        raise kind(f"{path}: cannot be read: {reason_of(error)}") from error
    return stream


def read_bytes(uri: str, most: int = MAX_WHOLE) -> bytes:
    """A small file, whole. Raises OSError, which names it, also for a local one of over `most` bytes."""
    here = local_path(uri)
    if here is not None:
        with open_uri(here) as stream:
            if os.fstat(stream.fileno()).st_size > most:
                raise OSError(errno.EFBIG, f"larger than {human_bytes(most)}", here)
            return bytes(stream.read())
    files, path = filesystem(uri)
    with as_os_error(uri):
        data: bytes = files.cat_file(path)
    return data


def read_range(uri: str, start: int, length: int) -> bytes:
    """At most `length` bytes from the byte `start`, in one request. Raises OSError, which names the file."""
    here = local_path(uri)
    if here is not None:
        with open_uri(here) as stream:
            left = os.fstat(stream.fileno()).st_size - start
            stream.seek(start)
            return stream.read(max(0, min(length, left)))  # it allocates as much as it is asked for
    files, path = filesystem(uri)
    with as_os_error(uri):
        data: bytes = files.cat_file(path, start=start, end=start + length)
    return data


def sha256_of(uri: str) -> str:
    """SHA-256 of a file, as hex digits. Raises OSError, which names it."""
    digest = hashlib.sha256()
    with open_uri(uri) as stream:
        while block := stream.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()


def read_picture(path: str, max_bytes: int = MAX_PICTURE_BYTES) -> bytes:
    """The bytes of one picture file.

    Raises SampleError (missing_image, too_large, unreadable, empty_body).
    """
    try:
        data = _read_capped(path, max_bytes + 1)
    except (OSError, ValueError) as error:  # ValueError: a name that no file can have
        if is_missing(error):
            raise SampleError(Stage.READ, Reason.MISSING_IMAGE, f"{path}: no such file") from None
        raise SampleError(Stage.READ, Reason.UNREADABLE, f"{path}: {reason_of(error)}") from None
    if len(data) > max_bytes:
        raise SampleError(Stage.READ, Reason.TOO_LARGE, f"{path}: over {max_bytes} bytes")
    if not data:
        raise SampleError(Stage.READ, Reason.EMPTY_BODY, f"{path}: an empty file")
    return data


def _read_capped(path: str, most: int) -> bytes:
    try:
        return read_range(path, 0, most)
    except FileNotFoundError:
        raise
    except OSError:
        if is_remote(path) and file_size(path) == 0:  # stores refuse any range of an empty object
            return b""
        raise


def capped_lines(stream: IO[bytes], size: int | None, uri: str, *, cap: int) -> Iterator[tuple[bytes, int]]:
    """(line without newline, its true length) over the next `size` bytes, or up to the end for None.

    Of a line longer than `cap` only about that much is held. Raises OSError if the file ends before.
    """
    pending, length = b"", 0
    while size is None or size > 0:
        if size is None:
            chunk = stream.read(READ_CHUNK)
        else:
            chunk = stream.read(min(READ_CHUNK, size))
        if not chunk and size is None:
            break
        if not chunk:
            raise OSError(f"{uri}: ends {size} bytes early: it changed during the job")
        if size is not None:
            size -= len(chunk)
        *lines, tail = chunk.split(b"\n")
        for line in lines:
            yield pending + line, length + len(line)
            pending, length = b"", 0
        length += len(tail)
        pending = (pending + tail)[: cap + 1]
    if length:
        yield pending, length


def kind(uri: str) -> Literal["file", "folder"] | None:
    """Is it a file or a folder? None if it is neither. Raises OSError if the store cannot be asked."""
    files, path = filesystem(uri)
    try:
        with as_os_error(uri):
            found = files.info(path)["type"]
    except (FileNotFoundError, NotADirectoryError):
        return None
    if found == "directory":
        return "folder"
    return "file"


def exists(uri: str) -> bool:
    """Is a file or folder there? Raises as `kind`. `file_exists` takes fewer requests."""
    return kind(uri) is not None


def file_exists(uri: str) -> bool:
    """Is a file there? Raises OSError if the store cannot be asked."""
    return file_size(uri) is not None


def file_size(uri: str) -> int | None:
    """Bytes of a file; None if there is no such file. One request.

    Raises OSError if the store cannot be asked.
    """
    here = local_path(uri)
    if here is not None:
        found = stat_of(here)
        if found is None or not stat.S_ISREG(found.st_mode):
            return None
        return found.st_size
    files, path = filesystem(uri)
    try:
        with as_os_error(uri):
            about = _object_info(files, path, uri)
    except FileNotFoundError:
        return None
    if about.get("type", "file") != "file":
        return None
    return int(about["size"] or 0)


def _object_info(files: AbstractFileSystem, path: str, uri: str) -> dict[str, Any]:
    """As `files.info`, but of gs:// in one request: gcsfs also asks whether it is a folder."""
    if scheme_of(uri) not in GOOGLE:
        return dict(files.info(path))
    bucket, _, name = path.partition("/")
    if not name:
        return {"size": 0, "type": "directory"}
    return dict(files.call("GET", "b/{}/o/{}", bucket, name, json_out=True))


def file_info(uri: str) -> dict[str, Any]:
    """A file's properties by fsspec's names (``size``, ``mtime``, ...). Raises OSError if it is not there."""
    files, path = filesystem(uri)
    with as_os_error(uri):
        return dict(files.info(path))


def is_missing(error: Exception) -> bool:
    """Does an error of reading say that there is no such file?"""
    return isinstance(error, FileNotFoundError | NotADirectoryError)


def reason_of(error: Exception) -> str:
    """The reason of an error in one line, without the path that a message already names."""
    return one_line(error.strerror if isinstance(error, OSError) and error.strerror else error)


class _ObjectStream(io.RawIOBase):
    """An object that is being read. Its errors are OSErrors that name it."""

    def __init__(self, uri: str, stream: IO[bytes]) -> None:
        self._uri, self._stream = uri, stream

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = 0) -> int:
        return self._stream.seek(offset, whence)

    def tell(self) -> int:
        return self._stream.tell()

    def readinto(self, buffer: Any) -> int:
        with as_os_error(self._uri):
            data = self._stream.read(len(buffer))
        buffer[: len(data)] = data
        return len(data)

    def close(self) -> None:
        self._stream.close()
        super().close()
