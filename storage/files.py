"""Files by path or URI outside Beam jobs: local paths, gs://, s3:// and whatever else fsspec knows.

Beam jobs use `apache_beam.io.filesystems.FileSystems` instead; both read the same bytes.

An object appears when its upload ends, but a folder of objects appears one by one. So a folder that must be whole has a
file that is uploaded last and removed first (`written_folder`, `remove_folder`): without that file it does not count.
"""

from __future__ import annotations

import errno
import io
import logging
import os
import shutil
import tempfile
import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import IO, Any, Literal

import fsspec
from fsspec.spec import AbstractFileSystem

from schemas.errors import ConfigError

REMOTE_READ = 4 << 20  # bytes a request
PROBE_SECONDS = 5.0


def is_remote(uri: str) -> bool:
    """Whether it is a URI, and not a path of this machine."""
    return "://" in uri


def check_address(uri: str) -> None:
    """Raises ConfigError, one line, for a scheme that fsspec does not know, and as `check_access`."""
    scheme, remote, _ = uri.partition("://")
    if not remote:
        return
    check_access(uri)
    try:
        fsspec.get_filesystem_class(scheme)
    except ImportError as error:
        raise ConfigError(f"{uri}: {scheme}:// needs a package that is not installed: {error}") from None
    except ValueError:
        raise ConfigError(
            f"{uri}: no way to open {scheme}:// addresses; give a local path or gs://bucket/..."
        ) from None


def check_access(uri: str) -> None:
    """Raises ConfigError, one line, for s3:// without its packages, and gs:// without a login."""
    scheme, _, rest = uri.partition("://")
    if scheme == "s3" and not all(find_spec(package) for package in ("s3fs", "boto3")):
        raise ConfigError(f"{uri}: s3:// needs packages that are not installed: pip install 'zoetrope[s3]'")
    if scheme in ("gs", "gcs"):
        _google_login(rest.partition("/")[0])


@cache
def _google_login(bucket: str) -> str | None:
    """How to ask for a bucket: None as usual, "anon" for a public one without credentials.

    Raises ConfigError for one that is not public: the clients would try for minutes.
    """
    if os.environ.get("STORAGE_EMULATOR_HOST"):
        return None
    import urllib.request

    import google.auth

    logging.getLogger("google.auth").setLevel(logging.ERROR)  # it warns of what becomes one line here
    try:
        google.auth.default()
        return None
    except google.auth.exceptions.DefaultCredentialsError:
        address = f"https://storage.googleapis.com/storage/v1/b/{bucket}/o?maxResults=1"
    try:
        urllib.request.urlopen(address, timeout=PROBE_SECONDS).close()
        return "anon"
    except OSError as error:
        raise ConfigError(
            f"gs://{bucket}: no Google Cloud credentials here, and as a public bucket it cannot be listed ({error}); run "
            "`gcloud auth application-default login`, or set GOOGLE_APPLICATION_CREDENTIALS to a key file"
        ) from None


def filesystem(uri: str) -> tuple[AbstractFileSystem, str]:
    """What opens a path or URI, and what it calls it. Raises ConfigError as `check_address`."""
    check_address(uri)
    if not is_remote(uri):
        return fsspec.core.url_to_fs(uri)
    logging.getLogger("gcsfs").setLevel(
        logging.CRITICAL
    )  # it logs a traceback for what becomes one line here
    google = uri.startswith(("gs://", "gcs://"))
    login = {"token": "anon"} if google and _google_login(uri.split("/")[2]) == "anon" else {}
    return fsspec.core.url_to_fs(uri, use_listings_cache=False, **login)


@contextmanager
def _as_os_error(uri: str) -> Iterator[None]:
    """Clients of object stores raise errors of their own, which name no path."""
    try:
        yield
    except ConfigError:
        raise
    except Exception as error:
        if not is_remote(uri):
            raise
        for known, number in ((FileNotFoundError, errno.ENOENT), (FileExistsError, errno.EEXIST)):
            if isinstance(error, known):
                raise known(number, os.strerror(number), uri) from None
        text = " ".join(str(error).split()) or type(error).__name__
        raise OSError(text if uri in text else f"{uri}: {text}") from error


class _Object(io.RawIOBase):
    """An object being read, whose errors are OSErrors that name it."""

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
        with _as_os_error(self._uri):
            data = self._stream.read(len(buffer))
        buffer[: len(data)] = data
        return len(data)

    def close(self) -> None:
        self._stream.close()
        super().close()


def open_uri(uri: str, mode: Literal["rb", "r"] = "rb") -> IO[Any]:
    """Open one file for reading. Raises OSError (with the path) if it cannot be opened, ConfigError as `check_address`.

    Objects are read in large pieces: readers of tars ask for 10 kB at a time, which some clients would fetch one by one.
    """
    files, path = filesystem(uri)
    if not is_remote(uri):
        return open(path, mode)
    with _as_os_error(uri):
        stream = io.BufferedReader(_Object(uri, files.open(path, "rb")), REMOTE_READ)
    return stream if mode == "rb" else io.TextIOWrapper(stream, "utf-8")


def write_bytes(uri: str, data: bytes) -> None:
    """Write a small file whole or not at all: readers see the old one or the new one. Raises OSError with the path."""
    files, path = filesystem(uri)
    if is_remote(uri):  # an object appears when its upload ends
        with _as_os_error(uri):
            files.pipe_file(path, data)
        return
    final = Path(path)
    final.parent.mkdir(parents=True, exist_ok=True)
    partial = final.with_name(f".{final.name}.{uuid.uuid4().hex[:8]}.partial")
    try:
        partial.write_bytes(data)
        os.replace(partial, final)
    except OSError:
        partial.unlink(missing_ok=True)
        raise


def create_object(uri: str, data: bytes) -> bool:
    """Write a small object if there is none yet; whether there was none. Of several at once in gs:// or s3:// one succeeds."""
    files, path = filesystem(uri)
    try:
        with _as_os_error(uri):
            files.pipe_file(path, data, mode="create")
    except FileExistsError:
        return False
    return True


def kind(uri: str) -> Literal["file", "folder"] | None:
    """What lies there; None if nothing does. Raises OSError if the store cannot be asked."""
    files, path = filesystem(uri)
    try:
        with _as_os_error(uri):
            found = files.info(path)["type"]
    except (FileNotFoundError, NotADirectoryError):
        return None
    return "folder" if found == "directory" else "file"


def exists(uri: str) -> bool:
    """Whether a file or folder is there. Raises as `kind`."""
    return kind(uri) is not None


def file_info(uri: str) -> dict[str, Any]:
    """What its store tells of a file, by fsspec's names (``size``, ``mtime``, ...). Raises OSError if it is not there."""
    files, path = filesystem(uri)
    with _as_os_error(uri):
        return dict(files.info(path))


def glob_uris(pattern: str) -> list[str]:
    """Sorted URIs that match a glob (``*``, ``?``, ``[...]``, ``**``), each with its scheme kept."""
    files, path = filesystem(pattern)
    with _as_os_error(pattern):
        found = [
            name for name, about in files.glob(path, detail=True).items() if about["type"] != "directory"
        ]
    return sorted(str(files.unstrip_protocol(name)) if is_remote(pattern) else str(name) for name in found)


def list_names(folder: str) -> list[str]:
    """Sorted names of what lies directly in a folder (whose name may hold any character); [] if there is no such folder."""
    files, path = filesystem(folder)
    try:
        with _as_os_error(folder):
            entries = files.ls(path, detail=False)
    except (
        FileNotFoundError,
        NotADirectoryError,
    ):  # isdir would say no to a store that cannot be reached, too
        return []
    return sorted({entry.rstrip("/").rpartition("/")[2] for entry in entries} - {""})


def list_uris(folder: str, suffix: str) -> list[str]:
    """Sorted URIs of what lies directly in a folder and ends so."""
    return [join(folder, name) for name in list_names(folder) if name.endswith(suffix)]


@contextmanager
def local_copy(uri: str, names: Sequence[str] | None = None) -> Iterator[Path]:
    """A file or folder as a local path: itself if it is one, else a copy (of a folder: of `names`, None: all), gone at the end.

    Raises OSError naming what is not there or cannot be read.
    """
    files, path = filesystem(uri)
    if not is_remote(uri):
        yield Path(path)
        return
    with tempfile.TemporaryDirectory(prefix="zoetrope-") as temporary:
        target = Path(temporary) / path.rstrip("/").rpartition("/")[2]
        with _as_os_error(uri):
            if names is None and files.isfile(path):
                files.get_file(path, str(target))
            else:
                wanted = (
                    [name[len(path.rstrip("/")) + 1 :] for name in files.find(path)]
                    if names is None
                    else names
                )
                target.mkdir()
                for name in wanted:
                    (target / name).parent.mkdir(parents=True, exist_ok=True)
                    files.get_file(join(path, name), str(target / name))
        yield target


@contextmanager
def written_folder(uri: str, last: str) -> Iterator[Path]:
    """A local folder to write files into; if the block ends well, they are at `uri` then, the file `last` after all others.

    Locally the folder takes the place of a former one in one step; the objects of a former one are overwritten, and until
    `last` is there again it does not count. Raises OSError naming the place.
    """
    if not is_remote(uri):
        final = Path(uri)
        partial = final.with_name(f".{final.name}.partial")
        shutil.rmtree(partial, ignore_errors=True)
        partial.mkdir(parents=True)
        yield partial
        for file in sorted(partial.rglob("*")):
            _flush(file)
        if final.exists():
            remove_folder(uri, last)
        os.replace(partial, final)
        _flush(final.parent)
        return
    with tempfile.TemporaryDirectory(prefix="zoetrope-") as temporary:
        yield Path(temporary)
        remove_object(join(uri, last))
        names = [
            str(file.relative_to(temporary)) for file in sorted(Path(temporary).rglob("*")) if file.is_file()
        ]
        for name in sorted(names, key=lambda name: name == last):
            upload(Path(temporary) / name, join(uri, name))


def upload(file: Path, uri: str) -> None:
    """Copy a local file to an object. Raises OSError naming it."""
    files, path = filesystem(uri)
    with _as_os_error(uri):
        files.put_file(str(file), path)


def remove_folder(uri: str, first: str) -> None:
    """Remove a folder, never half of it under its name: locally renamed first, in object stores less the file `first`."""
    if not is_remote(uri):
        gone = Path(uri).with_name(f".{Path(uri).name}.gone")
        shutil.rmtree(gone, ignore_errors=True)
        os.replace(uri, gone)
        shutil.rmtree(gone)
        return
    remove_object(join(uri, first))
    files, path = filesystem(uri)
    with _as_os_error(uri):
        rest = files.find(path)
    for name in rest:
        remove_object(join(uri, name[len(path.rstrip("/")) + 1 :]))


def remove_object(uri: str) -> None:
    """Remove it, if it is there: a request whose answer was lost has done so already."""
    files, path = filesystem(uri)
    with suppress(FileNotFoundError), _as_os_error(uri):
        files.rm_file(path)


def _flush(path: Path) -> None:
    """Onto the disk, so that what is there after a power cut is whole."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def join(folder: str, *names: str) -> str:
    """``gs://bucket/clips/`` and ``a.tar`` -> ``gs://bucket/clips/a.tar``."""
    return "/".join([folder.rstrip("/") or "/", *names]) if folder else "/".join(names)
